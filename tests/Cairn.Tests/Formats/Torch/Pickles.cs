using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Cairn.Formats.Torch;

namespace Cairn.Tests.Formats.Torch;

/// <summary>Pickles put together by hand, and archives around them.</summary>
internal static class Pickles
{
    /// <summary>Bytes as a text of characters up to 255.</summary>
    public static byte[] Raw(string text) => Encoding.Latin1.GetBytes(text);

    public static string Text(string value)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(value);
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        return "X" + Encoding.Latin1.GetString(length) + Encoding.Latin1.GetString(utf8);
    }

    public static string Int(long value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return "\u008a\u0008" + Encoding.Latin1.GetString(bytes);
    }

    public static string Bytes(ReadOnlySpan<byte> bytes)
    {
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        return "B" + Encoding.Latin1.GetString(length) + Encoding.Latin1.GetString(bytes);
    }

    public static string Tuple(params string[] items) => "(" + string.Concat(items) + "t";

    public static string Ints(params long[] values) => Tuple([.. values.Select(Int)]);

    /// <summary>A call of <c>module name</c>.</summary>
    public static string Call(string global, params string[] arguments) => Global(global) + Tuple(arguments) + "R";

    public static string Global(string global) => "c" + global.Replace(' ', '\n') + "\n";

    public static string Storage(string key = "0", long count = 4, string type = "FloatStorage") =>
        Tuple(Text("storage"), Global($"torch {type}"), Text(key), Text("cpu"), Int(count)) + "Q";

    public static string Tensor(string storage, long offset, long[] size, long[] stride) =>
        Call("torch._utils _rebuild_tensor_v2", storage, Int(offset), Ints(size), Ints(stride), "\u0089", Call("collections OrderedDict"));

    /// <summary>The value of a plain pickle.</summary>
    public static TorchValue Read(string pickle, TorchReadOptions? options = null)
    {
        var files = new FilesInMemory(shortRead: 7);
        files.Files["p.pkl"] = Raw(pickle);
        using Cairn.Stores.IReadableFile file = files.OpenRead("p.pkl");
        return TorchFile.ReadPickle(file, "p.pkl", options);
    }

    public static object? Scalar(string pickle) => Read(pickle).ShouldBeOfType<TorchScalar>().Value;

    /// <summary>A file of PyTorch with one storage of four floats 0 to 3, unless others are given.</summary>
    public static TorchFile Open(string pickle, TorchReadOptions? options = null, params (string Key, byte[] Bytes)[] storages)
    {
        var files = new FilesInMemory(shortRead: 11);
        files.Files["f.pt"] = Archive(Raw(pickle), storages.Length > 0 ? storages : [("0", Floats(4))]);
        return TorchFile.Open(files, "f.pt", options);
    }

    public static byte[] Floats(int count) => [.. Enumerable.Range(0, count).SelectMany(i => BitConverter.GetBytes((float)i))];

    public static byte[] Archive(byte[] pickle, params (string Key, byte[] Bytes)[] storages)
    {
        var zip = new StoredArchive();
        zip.Add("any folder/data.pkl", pickle);
        foreach ((string key, byte[] bytes) in storages)
            zip.Add($"any folder/data/{key}", bytes);
        zip.Add("any folder/version", "3\n"u8);
        return zip.Close();
    }
}

/// <summary>Writes zip archives of stored records in every way that readers must know.</summary>
/// <param name="descriptors">Whether sizes and checksum follow the bytes instead of standing before them: 0, 4 or 8 bytes for a size.</param>
/// <param name="checksums">Whether checksums are computed or left zero.</param>
/// <param name="zip64">Whether sizes, offsets and the end stand in 64-bit fields though they are small.</param>
internal sealed class StoredArchive(int descriptors = 0, bool zip64 = false, bool checksums = true)
{
    private readonly MemoryStream _file = new(), _directory = new();
    private int _count;

    public void Add(string name, ReadOnlySpan<byte> bytes)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(name);
        uint header = (uint)_file.Position, length = (uint)bytes.Length, crc = checksums ? Crc32.HashToUInt32(bytes) : 0, none = uint.MaxValue;
        ushort flags = (ushort)(descriptors > 0 ? 8 : 0);
        byte[] extra = zip64 ? Fields(writer => { writer.Write((ushort)1); writer.Write((ushort)24); writer.Write((ulong)length); writer.Write((ulong)length); writer.Write((ulong)header); }) : [];
        bool known = descriptors == 0;
        _file.Write(Fields(writer =>
        {
            writer.Write(0x04034B50u); writer.Write((ushort)0); writer.Write(flags); writer.Write((ushort)0); writer.Write(0u);
            writer.Write(known ? crc : 0); writer.Write(!known ? 0 : zip64 ? none : length); writer.Write(!known ? 0 : zip64 ? none : length);
            writer.Write((ushort)utf8.Length); writer.Write((ushort)extra.Length); writer.Write(utf8); writer.Write(extra);
        }));
        _file.Write(bytes);
        if (descriptors > 0)
        {
            _file.Write(Fields(writer =>
            {
                writer.Write(0x08074B50u); writer.Write(crc);
                for (int i = 0; i < 2; i++)
                {
                    if (descriptors == 8) writer.Write((ulong)length);
                    else writer.Write(length);
                }
            }));
        }
        _directory.Write(Fields(writer =>
        {
            writer.Write(0x02014B50u); writer.Write((ushort)0); writer.Write((ushort)0); writer.Write(flags); writer.Write((ushort)0); writer.Write(0u);
            writer.Write(crc); writer.Write(zip64 ? none : length); writer.Write(zip64 ? none : length);
            writer.Write((ushort)utf8.Length); writer.Write((ushort)extra.Length); writer.Write((ushort)0); writer.Write((ushort)0); writer.Write((ushort)0); writer.Write(0u);
            writer.Write(zip64 ? none : header); writer.Write(utf8); writer.Write(extra);
        }));
        _count++;
    }

    public byte[] Close()
    {
        long start = _file.Position, length = _directory.Position;
        _file.Write(_directory.ToArray());
        long end = _file.Position;
        _file.Write(Fields(writer =>
        {
            if (zip64)
            {
                writer.Write(0x06064B50u); writer.Write(44ul); writer.Write(0u); writer.Write(0u); writer.Write(0u); writer.Write((ulong)_count); writer.Write((ulong)_count); writer.Write((ulong)length); writer.Write((ulong)start);
                writer.Write(0x07064B50u); writer.Write(0u); writer.Write((ulong)end); writer.Write(1u);
            }
            ushort count = zip64 ? ushort.MaxValue : (ushort)_count;
            writer.Write(0x06054B50u); writer.Write(0u); writer.Write(count); writer.Write(count);
            writer.Write(zip64 ? uint.MaxValue : (uint)length); writer.Write(zip64 ? uint.MaxValue : (uint)start); writer.Write((ushort)0);
        }));
        return _file.ToArray();
    }

    private static byte[] Fields(Action<BinaryWriter> write)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        write(writer);
        return stream.ToArray();
    }
}
