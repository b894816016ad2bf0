using System.Text;

namespace Cairn.Layouts.Renaming;

/// <summary>
/// A name with captures: <c>layers.{n}.attention.{p}</c>. <c>{x}</c> stands for one component, of at least one character and without a point;
/// <c>{x*}</c> for at least one character of any kind. The first way that fits, with the shortest captures from the left, is taken.
/// </summary>
internal sealed class NamePattern
{
    private const int MostCaptures = 8;

    private readonly string _text;
    private readonly List<(string Text, bool IsCapture, bool IsLong)> _pieces = [];

    /// <exception cref="FormatException">A brace is open, a capture has no name or stands twice, or two stand side by side.</exception>
    public NamePattern(string text)
    {
        _text = text;
        var literal = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '}')
                throw new FormatException($"'{text}' closes a brace that is not open");
            if (text[i] != '{')
            {
                literal.Append(text[i]);
                continue;
            }
            int end = text.IndexOf('}', i);
            string name = end < 0 ? throw new FormatException($"'{text}' does not close a brace") : text[(i + 1)..end];
            bool isLong = name.EndsWith('*');
            name = isLong ? name[..^1] : name;
            if (name.Length == 0 || !name.All(char.IsAsciiLetterOrDigit))
                throw new FormatException($"'{text}' has a capture without a name of letters and digits");
            if (literal.Length > 0)
                _pieces.Add((literal.ToString(), false, false));
            else if (_pieces.Count > 0)
                throw new FormatException($"'{text}' has two captures side by side");
            literal.Clear();
            _pieces.Add((name, true, isLong));
            i = end;
        }
        if (literal.Length > 0)
            _pieces.Add((literal.ToString(), false, false));
        Captures = [.. _pieces.Where(piece => piece.IsCapture).Select(piece => piece.Text)];
        if (Captures.Distinct(StringComparer.Ordinal).Count() != Captures.Count)
            throw new FormatException($"'{text}' has a capture twice");
        if (Captures.Count > MostCaptures)
            throw new FormatException($"'{text}' has more than {MostCaptures} captures");
    }

    /// <summary>The names of the captures, in their order.</summary>
    public IReadOnlyList<string> Captures { get; }

    /// <summary>What the captures stand for in a name; <see langword="null"/> when it does not fit.</summary>
    public Dictionary<string, string>? Match(string name)
    {
        var captures = new Dictionary<string, string>(StringComparer.Ordinal);
        return Match(name, 0, 0, captures) ? captures : null;
    }

    /// <summary>The name that these captures give.</summary>
    public string Fill(IReadOnlyDictionary<string, string> captures)
    {
        var name = new StringBuilder();
        foreach ((string text, bool isCapture, _) in _pieces)
            name.Append(isCapture ? captures[text] : text);
        return name.ToString();
    }

    /// <inheritdoc/>
    public override string ToString() => _text;

    private bool Match(string name, int at, int piece, Dictionary<string, string> captures)
    {
        if (piece == _pieces.Count)
            return at == name.Length;
        (string text, bool isCapture, bool isLong) = _pieces[piece];
        if (!isCapture)
            return string.CompareOrdinal(name, at, text, 0, text.Length) == 0 && Match(name, at + text.Length, piece + 1, captures);
        for (int end = at + 1; end <= name.Length && (isLong || name[end - 1] != '.'); end++)
        {
            captures[text] = name[at..end];
            if (Match(name, end, piece + 1, captures))
                return true;
        }
        return false;
    }
}
