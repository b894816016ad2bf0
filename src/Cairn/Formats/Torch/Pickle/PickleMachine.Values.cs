using System.Buffers.Text;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Unicode;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>Numbers and texts.</summary>
internal sealed partial class PickleMachine
{
    // A line that holds no more digits than Python takes, with sign, suffix and line end.
    private const int MaxNumberLine = PickleSource.MaxDigits + 4;
    // As many bits as the longest number in digits.
    private const int MaxLongBytes = 1786;

    private static TorchScalar Number(long value) => (ulong)value < 256 ? SmallNumbers[value] : new TorchScalar(value);

    private ReadOnlySpan<byte> ReadNumberLine()
    {
        ReadOnlySpan<byte> line = source.ReadLine(MaxNumberLine);
        return line.EndsWith("\r"u8) ? line[..^1] : line;
    }

    private long ReadNumber()
    {
        ReadOnlySpan<byte> line = ReadNumberLine();
        return Utf8Parser.TryParse(line, out long number, out int used) && used == line.Length ? number : throw BadNumber(line);
    }

    private TorchScalar ReadIntLine()
    {
        ReadOnlySpan<byte> line = ReadNumberLine();
        // How protocol 1 writes False and True.
        return line.SequenceEqual("00"u8) ? False : line.SequenceEqual("01"u8) ? True : ParseInteger(line);
    }

    private TorchScalar ReadLongLine()
    {
        ReadOnlySpan<byte> line = ReadNumberLine();
        return ParseInteger(line.EndsWith("L"u8) ? line[..^1] : line);
    }

    private TorchScalar ParseInteger(ReadOnlySpan<byte> digits)
    {
        if (Utf8Parser.TryParse(digits, out long small, out int used) && used == digits.Length)
            return Number(small);
        return digits.Length <= PickleSource.MaxDigits + 1 && Ascii.IsValid(digits)
            && BigInteger.TryParse(Encoding.ASCII.GetString(digits), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger large)
            ? new TorchScalar(large) : throw BadNumber(digits);
    }

    private TorchScalar ReadLong(int length)
    {
        if (source.Length(length) > MaxLongBytes)
            throw source.Bad(TorchFault.Value, "a number is too long", $"at most {MaxLongBytes} bytes", $"{length} bytes");
        ReadOnlySpan<byte> bytes = source.Read(length);
        return length <= sizeof(long) ? Number((long)new BigInteger(bytes)) : new TorchScalar(new BigInteger(bytes));
    }

    private TorchScalar ReadFloatLine()
    {
        ReadOnlySpan<byte> line = ReadNumberLine();
        // Python writes inf and nan, and never a group separator.
        if (line.SequenceEqual("nan"u8) || line.SequenceEqual("-nan"u8))
            return new TorchScalar(double.NaN);
        if (line.SequenceEqual("inf"u8))
            return new TorchScalar(double.PositiveInfinity);
        if (line.SequenceEqual("-inf"u8))
            return new TorchScalar(double.NegativeInfinity);
        return Utf8Parser.TryParse(line, out double value, out int used) && used == line.Length && double.IsFinite(value) ? new TorchScalar(value) : throw BadNumber(line);
    }

    private CorruptTorchFileException BadNumber(ReadOnlySpan<byte> line) =>
        source.Bad(TorchFault.Value, $"the number before byte {source.Position} is malformed", "a number in digits", $"'{Encoding.Latin1.GetString(line[..Math.Min(40, line.Length)])}'");

    private TorchValue ReadText(long length)
    {
        ReadOnlySpan<byte> utf8 = source.ReadSpan(length);
        if (Utf8.IsValid(utf8))
            return new TorchScalar(Encoding.UTF8.GetString(utf8));
        string text = PythonText.Decode(utf8, out bool isMerged) ?? throw source.NotText();
        // Another text than Python's would be worse than none.
        return !isMerged ? new TorchScalar(text) : context.Options.AllowOpaque
            ? new TorchObject(PickleCallables.Text, new TorchList(TorchListKind.Tuple, [new TorchScalar(utf8.ToArray()), "utf-8", "surrogatepass"]), isOpaque: true)
            : throw source.NotText();
    }

    /// <summary>A str of Python 2, which may hold any bytes. PyTorch takes it for UTF-8.</summary>
    private static TorchScalar TextOrBytes(byte[] bytes) => Utf8.IsValid(bytes) ? new TorchScalar(Encoding.UTF8.GetString(bytes)) : new TorchScalar(bytes);

    /// <summary>A str as Python 2 prints it: in quotes, with escapes.</summary>
    private TorchScalar ReadStringLine()
    {
        ReadOnlySpan<byte> line = source.ReadLine();
        line = line.TrimEnd(" \t\r"u8);
        if (line.Length < 2 || line[0] is not ((byte)'\'' or (byte)'"') || line[^1] != line[0])
            throw source.Bad(TorchFault.Value, "a text is malformed", "a text in quotes", $"{line.Length} bytes before byte {source.Position}");
        return TextOrBytes(PickleEscapes.Bytes(line[1..^1], source));
    }

    /// <summary>A str as in <c>raw-unicode-escape</c>: Latin-1 with <c>\u</c> and <c>\U</c>.</summary>
    private TorchScalar ReadUnicodeLine() => new(PickleEscapes.Unicode(source.ReadLine(), source));
}
