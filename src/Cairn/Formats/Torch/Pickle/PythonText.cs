using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// Texts of Python, which may hold what no text of Unicode does: a half of a surrogate pair that stands alone. Python puts one where a name of the file system
/// is not UTF-8 (<c>surrogateescape</c>), and pickles it as three bytes (<c>surrogatepass</c>). A <see cref="string"/> holds it too.
/// </summary>
internal static class PythonText
{
    private const int SurrogateBytes = 3;

    /// <summary>The text of bytes that are UTF-8 but for halves of surrogate pairs; <see langword="null"/> when they are neither.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <param name="isMerged">Whether two halves came together, of which a string makes one character: Python's text has two.</param>
    public static string? Decode(ReadOnlySpan<byte> utf8, out bool isMerged)
    {
        var text = new StringBuilder(utf8.Length);
        bool afterHigh = false;
        isMerged = false;
        while (!utf8.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(utf8, out Rune rune, out int used) == OperationStatus.Done)
            {
                text.Append(rune.ToString());
                afterHigh = false;
            }
            else if (utf8 is [0xED, >= 0xA0 and <= 0xBF, >= 0x80 and <= 0xBF, ..])
            {
                char half = (char)(0xD000 | ((utf8[1] & 0x3F) << 6) | (utf8[2] & 0x3F));
                isMerged |= afterHigh && char.IsLowSurrogate(half);
                afterHigh = char.IsHighSurrogate(half);
                text.Append(half);
                used = SurrogateBytes;
            }
            else
            {
                return null;
            }
            utf8 = utf8[used..];
        }
        return text.ToString();
    }

    /// <summary>The text of characters of four bytes, as numpy has it, without the zeros at its end; <see langword="null"/> when one is no character.</summary>
    public static string? OfUtf32(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length / sizeof(uint));
        for (; bytes.Length >= sizeof(uint); bytes = bytes[sizeof(uint)..])
        {
            uint scalar = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            if (!Append(text, scalar))
                return null;
        }
        return text.ToString().TrimEnd('\0');
    }

    /// <summary>Adds a character by its number; halves of surrogate pairs are taken. Says whether there is such a character.</summary>
    public static bool Append(StringBuilder text, uint scalar)
    {
        if (scalar <= char.MaxValue)
            text.Append((char)scalar);
        else if (Rune.TryCreate(scalar, out Rune rune))
            text.Append(rune.ToString());
        else
            return false;
        return true;
    }
}
