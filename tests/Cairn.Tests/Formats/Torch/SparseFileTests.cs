using System.Buffers.Binary;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch;

/// <summary>Files of more than 4 GiB that take a few blocks on the disk: the storage is a hole.</summary>
public class SparseFileTests
{
    private const long Count = (5L << 30) / 4;

    private static string Value(string kind) => "](" + Pickles.Tensor(Tuple("big", Count, kind), Count - 1, [1], [1]) + Pickles.Tensor(Tuple("small", 4, kind), 0, [4], [1])
        + Pickles.Tensor(Tuple("big", Count, kind), 0, [2, 2], [Count - 2, 1]) + "e.";

    private static string Tuple(string key, long count, string kind) => kind == "zip" ? Pickles.Storage(key, count)
        : Pickles.Tuple(Pickles.Text("storage"), Pickles.Global("torch FloatStorage"), Pickles.Text(key), Pickles.Text("cpu"), Pickles.Int(count), "N") + "Q";

    private static void Check(string path)
    {
        using TorchFile file = TorchFile.Open(new Cairn.Stores.LocalFileSystem(System.IO.Path.GetDirectoryName(path)!), System.IO.Path.GetFileName(path));
        StateTensor[] tensors = [.. ((TorchList)file.Root).Select(value => ((TorchTensorValue)value).Data)];
        tensors[0].Bytes().ShouldBe(BitConverter.GetBytes(1.5f));
        tensors[1].Bytes().ShouldBe(Pickles.Floats(4));
        // A row at the start and one at the end of the hole, without reading it.
        tensors[2].Bytes().ShouldBe([.. new byte[12], .. BitConverter.GetBytes(1.5f)]);
    }

    [Fact]
    public void An_older_file_is_read()
    {
        using var folder = new TemporaryFolder();
        string path = folder["old.pt"];
        using (FileStream file = File.Create(path))
        {
            file.Write(Pickles.Raw("\u0080\u0002\u008a\u000a\u006c\u00fc\u009c\u0046\u00f9\u0020\u006a\u00a8\u0050\u0019.\u0080\u0002M\u00e9\u0003.\u0080\u0002}.\u0080\u0002" + Value("legacy") + "\u0080\u0002](" + Pickles.Text("big") + Pickles.Text("small") + "e."));
            Storage(file, Count, () => Hole(file));
            Storage(file, 4, () => file.Write(Pickles.Floats(4)));
        }
        Check(path);

        static void Storage(FileStream file, long count, Action write)
        {
            byte[] prefix = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(prefix, count);
            file.Write(prefix);
            write();
        }
    }

    [Fact]
    public void An_archive_is_read()
    {
        using var folder = new TemporaryFolder();
        string path = folder["new.pt"];
        using (FileStream file = File.Create(path))
        {
            using var directory = new MemoryStream();
            Record(file, directory, "a/data.pkl", () => file.Write(Pickles.Raw(Value("zip"))));
            Record(file, directory, "a/data/big", () => Hole(file));
            Record(file, directory, "a/data/small", () => file.Write(Pickles.Floats(4)));
            Record(file, directory, "a/version", () => file.Write("3\n"u8));
            long start = file.Position;
            file.Write(directory.ToArray());
            long end = file.Position;
            file.Write([.. U4(0x06064B50), .. U8(44), .. U4(0), .. U4(0), .. U4(0), .. U8(4), .. U8(4), .. U8(directory.Length), .. U8(start)]);
            file.Write([.. U4(0x07064B50), .. U4(0), .. U8(end), .. U4(1)]);
            file.Write([.. U4(0x06054B50), .. U4(0), .. U2(4), .. U2(4), .. U4((uint)directory.Length), .. U4(uint.MaxValue), .. U2(0)]);
        }
        Check(path);
    }

    // Checksums are left zero, as PyTorch can, so that nobody has to compute that of the hole.
    private static void Record(FileStream file, MemoryStream directory, string name, Action write)
    {
        byte[] utf8 = System.Text.Encoding.UTF8.GetBytes(name);
        long header = file.Position;
        file.Write([.. U4(0x04034B50), .. U2(0), .. U2(8), .. U2(0), .. U4(0), .. U4(0), .. U4(0), .. U4(0), .. U2(utf8.Length), .. U2(0), .. utf8]);
        long start = file.Position;
        write();
        long length = file.Position - start;
        file.Write([.. U4(0x08074B50), .. U4(0), .. (length > uint.MaxValue ? [.. U8(length), .. U8(length)] : (byte[])[.. U4((uint)length), .. U4((uint)length)])]);
        // Only what does not fit stands in the 64-bit field.
        byte[] extra = [.. length > uint.MaxValue ? (byte[])[.. U8(length), .. U8(length)] : [], .. header > uint.MaxValue ? U8(header) : []];
        if (extra.Length > 0)
            extra = [.. U2(1), .. U2(extra.Length), .. extra];
        uint size = length > uint.MaxValue ? uint.MaxValue : (uint)length;
        directory.Write([.. U4(0x02014B50), .. U2(0), .. U2(0), .. U2(8), .. U2(0), .. U4(0), .. U4(0), .. U4(size), .. U4(size), .. U2(utf8.Length), .. U2(extra.Length),
            .. U2(0), .. U2(0), .. U2(0), .. U4(0), .. U4(header > uint.MaxValue ? uint.MaxValue : (uint)header), .. utf8, .. extra]);
    }

    private static void Hole(FileStream file)
    {
        file.Seek((Count - 1) * 4, SeekOrigin.Current);
        file.Write(BitConverter.GetBytes(1.5f));
    }

    private static byte[] U2(int value) => BitConverter.GetBytes((ushort)value);
    private static byte[] U4(uint value) => BitConverter.GetBytes(value);
    private static byte[] U8(long value) => BitConverter.GetBytes(value);
}
