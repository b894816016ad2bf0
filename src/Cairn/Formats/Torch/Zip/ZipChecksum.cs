using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Cairn.Formats.Torch.Zip;

/// <summary>
/// The CRC-32 of zip archives (IEEE 802.3). System.IO.Hashing computes it with carry-less products of 128 bits, which is slower than a disk; where the
/// processor has those of 256 bits, this takes them and keeps up with memory. Elsewhere it is System.IO.Hashing's.
/// </summary>
/// <remarks>
/// The method is that of Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009): a remainder is carried over
/// D bits by multiplying its halves with x^(D+32) and x^(D-32) modulo the polynomial. The constants are computed.
/// </remarks>
internal sealed class ZipChecksum
{
    private const uint Polynomial = 0x04C1_1DB7, Reflected = 0xEDB8_8320;
    private const int Lanes = 8;

    private static readonly uint[] Table = MakeTable();
    private static readonly Vector256<ulong> OverAll = Keys(Lanes * 256), OverOne = Keys(256);
    private static readonly Vector128<ulong> OverHalf = Keys(128).GetLower();

    private readonly Crc32? _portable = IsFast ? null : new Crc32();
    private uint _register = uint.MaxValue;

    /// <summary>Whether this processor has the wide products.</summary>
    public static bool IsFast => Pclmulqdq.V256.IsSupported;

    /// <summary>Takes the next bytes.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_portable is not null)
        {
            _portable.Append(bytes);
            return;
        }
        ReadOnlySpan<Vector256<ulong>> blocks = MemoryMarshal.Cast<byte, Vector256<ulong>>(bytes);
        if (blocks.Length >= Lanes)
        {
            _register = Fold(blocks, _register);
            bytes = bytes[(blocks.Length * Vector256<byte>.Count)..];
        }
        _register = ByByte(bytes, _register);
    }

    /// <summary>The checksum of all bytes taken since the last call; what follows begins anew.</summary>
    public uint Finish()
    {
        uint checksum = ~_register;
        _register = uint.MaxValue;
        if (_portable is null)
            return checksum;
        checksum = _portable.GetCurrentHashAsUInt32();
        _portable.Reset();
        return checksum;
    }

    private static uint Fold(ReadOnlySpan<Vector256<ulong>> blocks, uint register)
    {
        Vector256<ulong> a = blocks[0] ^ Vector256.CreateScalar((ulong)register), b = blocks[1], c = blocks[2], d = blocks[3];
        Vector256<ulong> e = blocks[4], f = blocks[5], g = blocks[6], h = blocks[7];
        Vector256<ulong> keys = OverAll;
        blocks = blocks[Lanes..];
        while (blocks.Length >= Lanes)
        {
            a = Carry(a, keys) ^ blocks[0];
            b = Carry(b, keys) ^ blocks[1];
            c = Carry(c, keys) ^ blocks[2];
            d = Carry(d, keys) ^ blocks[3];
            e = Carry(e, keys) ^ blocks[4];
            f = Carry(f, keys) ^ blocks[5];
            g = Carry(g, keys) ^ blocks[6];
            h = Carry(h, keys) ^ blocks[7];
            blocks = blocks[Lanes..];
        }
        keys = OverOne;
        a = Carry(a, keys) ^ b;
        a = Carry(a, keys) ^ c;
        a = Carry(a, keys) ^ d;
        a = Carry(a, keys) ^ e;
        a = Carry(a, keys) ^ f;
        a = Carry(a, keys) ^ g;
        a = Carry(a, keys) ^ h;
        foreach (Vector256<ulong> block in blocks)
            a = Carry(a, keys) ^ block;
        Vector128<ulong> rest = Pclmulqdq.CarrylessMultiply(a.GetLower(), OverHalf, 0x00) ^ Pclmulqdq.CarrylessMultiply(a.GetLower(), OverHalf, 0x11) ^ a.GetUpper();
        // These 16 bytes leave the register as all bytes before them would.
        return ByByte(MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(ref rest, 1)), 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Carry(Vector256<ulong> value, Vector256<ulong> keys) =>
        Pclmulqdq.V256.CarrylessMultiply(value, keys, 0x00) ^ Pclmulqdq.V256.CarrylessMultiply(value, keys, 0x11);

    private static uint ByByte(ReadOnlySpan<byte> bytes, uint register)
    {
        foreach (byte value in bytes)
            register = Table[(byte)(register ^ value)] ^ (register >> 8);
        return register;
    }

    private static Vector256<ulong> Keys(int bits)
    {
        Vector128<ulong> keys = Vector128.Create(Key(bits + 32), Key(bits - 32));
        return Vector256.Create(keys, keys);
    }

    // x^power modulo the polynomial, its bits in reverse and one place up, as reflected products need it.
    private static ulong Key(int power)
    {
        uint remainder = 1;
        for (int i = 0; i < power; i++)
            remainder = (remainder << 1) ^ ((remainder >> 31) * Polynomial);
        uint reversed = 0;
        for (int i = 0; i < 32; i++)
            reversed |= ((remainder >> i) & 1) << (31 - i);
        return (ulong)reversed << 1;
    }

    private static uint[] MakeTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint register = i;
            for (int bit = 0; bit < 8; bit++)
                register = (register >> 1) ^ ((register & 1) * Reflected);
            table[i] = register;
        }
        return table;
    }
}
