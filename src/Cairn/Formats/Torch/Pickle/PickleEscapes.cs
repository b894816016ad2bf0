using System.Globalization;
using System.Text;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>The escapes in the texts of protocol 0.</summary>
internal static class PickleEscapes
{
    /// <summary>The bytes of a Python 2 str literal without its quotes.</summary>
    public static byte[] Bytes(ReadOnlySpan<byte> text, PickleSource source)
    {
        byte[] bytes = new byte[text.Length];
        int count = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != (byte)'\\')
            {
                bytes[count++] = text[i];
                continue;
            }
            if (++i == text.Length)
                throw Bad(source);
            switch (text[i])
            {
                case (byte)'n': bytes[count++] = (byte)'\n'; break;
                case (byte)'r': bytes[count++] = (byte)'\r'; break;
                case (byte)'t': bytes[count++] = (byte)'\t'; break;
                case (byte)'a': bytes[count++] = 0x07; break;
                case (byte)'b': bytes[count++] = 0x08; break;
                case (byte)'f': bytes[count++] = 0x0C; break;
                case (byte)'v': bytes[count++] = 0x0B; break;
                case (byte)'\\' or (byte)'\'' or (byte)'"': bytes[count++] = text[i]; break;
                case (byte)'x':
                    bytes[count++] = (byte)Hex(text, i + 1, 2, source);
                    i += 2;
                    break;
                case >= (byte)'0' and <= (byte)'7':
                    int octal = 0, end = Math.Min(i + 3, text.Length);
                    for (; i < end && text[i] is >= (byte)'0' and <= (byte)'7'; i++)
                        octal = (octal * 8) + (text[i] - '0');
                    i--;
                    bytes[count++] = (byte)octal;
                    break;
                default: throw Bad(source);
            }
        }
        return bytes.AsSpan(0, count).ToArray();
    }

    /// <summary>A text in <c>raw-unicode-escape</c>. A backslash before anything but <c>u</c> and <c>U</c> stands for itself.</summary>
    public static string Unicode(ReadOnlySpan<byte> text, PickleSource source)
    {
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            int digits = text[i] != (byte)'\\' || i + 1 == text.Length ? 0 : text[i + 1] switch { (byte)'u' => 4, (byte)'U' => 8, _ => 0 };
            if (digits == 0)
            {
                result.Append((char)text[i]);
                continue;
            }
            uint scalar = Hex(text, i + 2, digits, source);
            if (!PythonText.Append(result, scalar))
                throw Bad(source);
            i += 1 + digits;
        }
        return result.ToString();
    }

    private static uint Hex(ReadOnlySpan<byte> text, int start, int length, PickleSource source) =>
        start + length <= text.Length && uint.TryParse(text.Slice(start, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value)
            ? value : throw Bad(source);

    private static CorruptTorchFileException Bad(PickleSource source) =>
        source.Bad(TorchFault.NotText, $"the text before byte {source.Position} has a malformed escape", "an escape of Python", "another");
}
