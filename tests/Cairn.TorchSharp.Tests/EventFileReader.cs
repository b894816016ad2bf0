using System.Buffers.Binary;
using Tensorboard;

namespace Cairn.TorchSharp.Tests;

/// <summary>Reads event files with the classes that are generated from TensorBoard's own <c>.proto</c> files, and as TensorBoard does: file after file in the order of the names.</summary>
static class EventFileReader
{
    static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(index =>
    {
        uint value = (uint)index;
        for (int bit = 0; bit < 8; bit++)
            value = (value & 1) != 0 ? value >> 1 ^ 0x82f63b78 : value >> 1;
        return value;
    })];

    /// <summary>The events of a file.</summary>
    /// <exception cref="InvalidDataException">A record is damaged.</exception>
    public static List<Event> Read(string path)
    {
        List<Event> events = [];
        ReadOnlySpan<byte> rest = File.ReadAllBytes(path);
        while (rest.Length > 0)
        {
            int length = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(rest));
            Check(rest[..8], rest[8..]);
            ReadOnlySpan<byte> data = rest.Slice(12, length);
            Check(data, rest[(12 + length)..]);
            events.Add(Event.Parser.ParseFrom(data.ToArray()));
            rest = rest[(16 + length)..];
        }
        return events;
    }

    /// <summary>The curves of a folder, without what a later <c>START</c> purges.</summary>
    public static Dictionary<string, List<(long Step, float Value)>> Curves(string folder)
    {
        var curves = new Dictionary<string, List<(long Step, float Value)>>(StringComparer.Ordinal);
        bool hasBegun = false;
        foreach (Event one in Directory.GetFiles(folder, "*tfevents*").Order(StringComparer.Ordinal).SelectMany(Read))
        {
            // The first one of a folder is no restart.
            if (one.SessionLog?.Status == SessionLog.Types.SessionStatus.Start)
            {
                if (hasBegun)
                {
                    foreach (List<(long Step, float Value)> curve in curves.Values)
                        curve.RemoveAll(point => point.Step >= one.Step);
                }
                hasBegun = true;
            }
            foreach (Summary.Types.Value value in one.Summary?.Value ?? [])
            {
                if (!curves.TryGetValue(value.Tag, out List<(long Step, float Value)>? curve))
                    curves.Add(value.Tag, curve = []);
                curve.Add((one.Step, value.SimpleValue));
            }
        }
        return curves;
    }

    static void Check(ReadOnlySpan<byte> data, ReadOnlySpan<byte> crc)
    {
        uint value = uint.MaxValue;
        foreach (byte one in data)
            value = value >> 8 ^ Table[(byte)(value ^ one)];
        value = ~value;
        if (unchecked((value >> 15 | value << 17) + 0xa282ead8) != BinaryPrimitives.ReadUInt32LittleEndian(crc))
            throw new InvalidDataException("a record is damaged");
    }
}
