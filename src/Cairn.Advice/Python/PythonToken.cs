using System.Runtime.InteropServices;

namespace Cairn.Advice.Python;

internal enum PythonTokenKind
{
    Name,
    Number,
    Text,
    /// <summary>A string whose value is not in the source: an f-string with a field in it, or bytes.</summary>
    ComputedText,
    Operator,
    EndOfLine,
    EndOfFile,
}

/// <summary>A token; <paramref name="Text"/> of a string is its value.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct PythonToken(PythonTokenKind Kind, string Text, int Line, bool Indented)
{
    public bool Is(string text) => Kind == PythonTokenKind.Operator && Text == text;
}
