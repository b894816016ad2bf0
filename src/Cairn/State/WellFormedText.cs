using System.Globalization;
using System.Text;

namespace Cairn.State;

/// <summary>Text that any file can hold. One that was cut off within a character ends in half of a surrogate pair, which UTF-8 has no bytes for.</summary>
internal static class WellFormedText
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Whether a text has no half of a surrogate pair alone.</summary>
    public static bool Is(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (!Rune.TryGetRuneAt(text, i, out _))
                return false;
            i++;
        }
        return true;
    }

    /// <summary>The text, with each half of a surrogate pair as its number: <c>\uDCE9</c>.</summary>
    public static string Numbered(string text)
    {
        var numbered = new StringBuilder(text.Length + 16);
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                numbered.Append(text[i]);
            else if (Rune.TryGetRuneAt(text, i, out Rune rune))
                (_, i) = (numbered.Append(rune.ToString()), i + 1);
            else
                numbered.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[i]:X4}");
        }
        return numbered.ToString();
    }

    /// <summary>The text, with U+FFFD for each half of a surrogate pair: for messages, which must not keep a save from being made.</summary>
    public static string Repaired(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    /// <summary>The text itself, for names. JSON writers would replace half a surrogate pair silently, and two names could become one.</summary>
    public static string OrThrow(string text)
    {
        try
        {
            _ = StrictUtf8.GetByteCount(text);
            return text;
        }
        catch (EncoderFallbackException e)
        {
            throw new ArgumentException($"The text '{text}' holds half of a surrogate pair and cannot be saved as UTF-8.", nameof(text), e);
        }
    }
}
