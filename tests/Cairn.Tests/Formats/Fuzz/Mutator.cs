using System.Buffers.Binary;

namespace Cairn.Tests.Formats.Fuzz;

/// <summary>Changes good bytes a little, in the ways that break readers. Equal seeds give equal changes.</summary>
internal sealed class Mutator(int seed, IReadOnlyList<byte[]> seeds)
{
    private static readonly long[] Boundaries =
        [0, 1, -1, 2, 7, 8, 64, 127, 128, 255, 256, 32767, 32768, 65535, 65536, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 32, 1L << 40, 1L << 62, long.MaxValue, long.MinValue];

    private readonly Random _random = new(seed);

    public byte[] Next()
    {
        byte[] bytes = (byte[])Pick(seeds).Clone();
        int changes = 1 + _random.Next(4);
        for (int i = 0; i < changes; i++)
            bytes = Change(bytes);
        return bytes;
    }

    private byte[] Change(byte[] bytes)
    {
        if (bytes.Length == 0)
            return [(byte)_random.Next(256)];
        int place = _random.Next(bytes.Length), length = Math.Min(bytes.Length - place, 1 + _random.Next(16));
        switch (_random.Next(11))
        {
            case 0:
                bytes[place] ^= (byte)(1 << _random.Next(8));
                return bytes;
            case 1:
                bytes[place] = (byte)_random.Next(256);
                return bytes;
            case 2:
                return bytes[..place];
            case 3:
                return [.. bytes[..place], .. bytes[(place + length)..]];
            case 4:
                byte[] noise = new byte[length];
                _random.NextBytes(noise);
                return [.. bytes[..place], .. noise, .. bytes[place..]];
            case 5:
                return [.. bytes[..(place + length)], .. bytes[place..]];
            case 6:
                return Write(bytes, place, Boundaries[_random.Next(Boundaries.Length)], 1 << _random.Next(4));
            case 7:
                byte[] other = Pick(seeds);
                int from = _random.Next(other.Length), taken = Math.Min(other.Length - from, 1 + _random.Next(64));
                return [.. bytes[..place], .. other.AsSpan(from, taken), .. bytes[(place + (_random.Next(2) * length))..]];
            case 8:
                // A byte that is there is more often a good one.
                bytes[place] = bytes[_random.Next(bytes.Length)];
                return bytes;
            case 9:
                int times = 2 << _random.Next(8);
                return [.. bytes[..place], .. Enumerable.Range(0, times).SelectMany(_ => bytes[place..(place + length)]), .. bytes[place..]];
            default:
                (bytes[place], bytes[_random.Next(bytes.Length)]) = (bytes[_random.Next(bytes.Length)], bytes[place]);
                return bytes;
        }
    }

    private static byte[] Write(byte[] bytes, int place, long value, int width)
    {
        Span<byte> little = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(little, value);
        width = Math.Min(width, bytes.Length - place);
        little[..width].CopyTo(bytes.AsSpan(place));
        return bytes;
    }

    private T Pick<T>(IReadOnlyList<T> list) => list[_random.Next(list.Count)];
}
