using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// Writes opcodes of pickle protocol 2, only those that PyTorch's restricted unpickler takes
/// (<c>torch/_weights_only_unpickler.py</c>). Texts and globals are memoized by value. Format: CPython's <c>Lib/pickletools.py</c>.
/// </summary>
internal sealed class PickleOutput
{
    private readonly ArrayBufferWriter<byte> _bytes = new(1024);
    private readonly Dictionary<string, int> _texts = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Module, string Name), int> _globals = [];
    private int _memoized;

    public ReadOnlyMemory<byte> Bytes => _bytes.WrittenMemory;

    public void Op(byte op) => Put(op);

    public void Start() => Put(PickleOpcode.Proto, 2);

    /// <summary>Remembers what is on top of the stack; returns its number in the memo.</summary>
    public int Memoize()
    {
        int index = _memoized++;
        if (index <= byte.MaxValue)
            Put(PickleOpcode.BinPut, (byte)index);
        else
            PutUInt32(PickleOpcode.LongBinPut, (uint)index);
        return index;
    }

    public void Recall(int index)
    {
        if (index <= byte.MaxValue)
            Put(PickleOpcode.BinGet, (byte)index);
        else
            PutUInt32(PickleOpcode.LongBinGet, (uint)index);
    }

    public void Bool(bool value) => Op(value ? PickleOpcode.NewTrue : PickleOpcode.NewFalse);

    public void Int(long value)
    {
        switch (value)
        {
            case >= 0 and <= byte.MaxValue:
                Put(PickleOpcode.BinInt1, (byte)value);
                break;
            case >= 0 and <= ushort.MaxValue:
                Put(PickleOpcode.BinInt2, (byte)value, (byte)(value >> 8));
                break;
            case >= int.MinValue and <= int.MaxValue:
                PutUInt32(PickleOpcode.BinInt, (uint)(int)value);
                break;
            default:
                Int(new BigInteger(value));
                break;
        }
    }

    public void Int(BigInteger value)
    {
        byte[] bytes = value.ToByteArray();
        if (bytes.Length <= byte.MaxValue)
            Put(PickleOpcode.Long1, (byte)bytes.Length);
        else
            PutUInt32(PickleOpcode.Long4, (uint)bytes.Length);
        _bytes.Write(bytes);
    }

    public void Float(double value)
    {
        Span<byte> span = _bytes.GetSpan(9);
        span[0] = PickleOpcode.BinFloat;
        BinaryPrimitives.WriteDoubleBigEndian(span[1..], value);
        _bytes.Advance(9);
    }

    public void Text(string value)
    {
        if (_texts.TryGetValue(value, out int index))
        {
            Recall(index);
            return;
        }
        TextOnce(value);
        _texts.Add(value, Memoize());
    }

    /// <summary>A text that will not come again.</summary>
    public void TextOnce(string value)
    {
        byte[] bytes = Encode(value);
        PutUInt32(PickleOpcode.BinUnicode, (uint)bytes.Length);
        _bytes.Write(bytes);
    }

    public void Global(string module, string name)
    {
        if (_globals.TryGetValue((module, name), out int index))
        {
            Recall(index);
            return;
        }
        Op(PickleOpcode.Global);
        _bytes.Write(Encoding.UTF8.GetBytes($"{module}\n{name}\n"));
        _globals.Add((module, name), Memoize());
    }

    // Python's texts may hold lone surrogates, which it writes as three bytes ("surrogatepass"); .NET would replace them.
    private static byte[] Encode(string value)
    {
        var bytes = new ArrayBufferWriter<byte>(value.Length + 1);
        ReadOnlySpan<char> rest = value;
        while (!rest.IsEmpty)
        {
            int good = rest.IndexOfAnyInRange('\uD800', '\uDFFF');
            good = good < 0 ? rest.Length : good;
            Encoding.UTF8.GetBytes(rest[..good], bytes);
            rest = rest[good..];
            if (rest.IsEmpty)
                break;
            if (Rune.DecodeFromUtf16(rest, out Rune rune, out int used) == OperationStatus.Done)
                bytes.Advance(rune.EncodeToUtf8(bytes.GetSpan(4)));
            else
                bytes.Write([(byte)(0xE0 | (rest[0] >> 12)), (byte)(0x80 | ((rest[0] >> 6) & 0x3F)), (byte)(0x80 | (rest[0] & 0x3F))]);
            rest = rest[used..];
        }
        return bytes.WrittenSpan.ToArray();
    }

    private void Put(params ReadOnlySpan<byte> bytes) => _bytes.Write(bytes);

    private void PutUInt32(byte op, uint value)
    {
        Span<byte> span = _bytes.GetSpan(5);
        span[0] = op;
        BinaryPrimitives.WriteUInt32LittleEndian(span[1..], value);
        _bytes.Advance(5);
    }
}
