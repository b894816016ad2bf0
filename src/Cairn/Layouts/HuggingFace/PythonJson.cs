using System.Text;

namespace Cairn.Layouts.HuggingFace;

/// <summary>Python's <c>json.dump</c> writes <c>NaN</c>, <c>Infinity</c> and <c>-Infinity</c>, which are no JSON: a loss that is not a number stands so in <c>trainer_state.json</c>.</summary>
internal static class PythonJson
{
    private static readonly byte[][] NotFinite = [.. new[] { "NaN", "-Infinity", "Infinity" }.Select(Encoding.ASCII.GetBytes)];

    /// <summary>The same with <c>null</c> in their places; the very bytes when there are none.</summary>
    public static ReadOnlyMemory<byte> Plain(byte[] json)
    {
        if (!NotFinite.Any(name => json.AsSpan().IndexOf(name) >= 0))
            return json;
        using var plain = new MemoryStream(json.Length);
        bool inText = false;
        for (int i = 0; i < json.Length; i++)
        {
            if (!inText && NotFinite.FirstOrDefault(name => json.AsSpan(i).StartsWith(name)) is { } found)
            {
                plain.Write("null"u8);
                i += found.Length - 1;
                continue;
            }
            if (inText && json[i] == '\\' && i + 1 < json.Length)
                plain.WriteByte(json[i++]);
            else if (json[i] == '"')
                inText = !inText;
            plain.WriteByte(json[i]);
        }
        return plain.ToArray();
    }
}
