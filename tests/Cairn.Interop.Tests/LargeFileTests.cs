using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Interop.Tests;

/// <summary>A file over 4 GiB: long sizes and offsets. It is nearly all holes on the disk, and removed at once.</summary>
public class LargeFileTests
{
    private const long Size = (1L << 32) + 100;
    private static readonly long[] Marks = [0, (1L << 32) - 1, 1L << 32, Size - 1];

    [Fact]
    public void A_tensor_over_4_GiB_and_the_one_after_it_are_read_back()
    {
        using var folder = new TemporaryFolder();
        string path = Write(folder);
        using TorchFile file = TorchFile.Map(path);
        var root = (TorchMap)file.Root;
        StateTensor large = ((TorchTensorValue)root["large"]).Data, after = ((TorchTensorValue)root["after"]).Data;
        large.ByteLength.ShouldBe(Size);
        Span<byte> bytes = stackalloc byte[8];
        for (int i = 0; i < Marks.Length; i++)
        {
            large.CopyTo(Marks[i], bytes[..1]);
            bytes[0].ShouldBe((byte)(i + 1));
        }
        after.CopyTo(0, bytes);
        bytes.ToArray().ShouldBe(new byte[] { 1, 0, 0, 0, 2, 0, 0, 0 });
    }

    [Fact]
    public void PyTorch_reads_it()
    {
        RandomFaults.RequireAll();
        Python.Require();
        using var folder = new TemporaryFolder();
        string path = Write(folder);
        string expected = $"torch.uint8 [{Size}] [1, 2]\n0=1\n{Marks[1]}=2\n{Marks[2]}=3 {Marks[3]}=4\n";
        Python.Run("large.py", [path, .. TorchLoad.IsVersion2 ? ["mmap"] : Array.Empty<string>()], TimeSpan.FromMinutes(5)).ShouldBe(expected);
        Python.Run("testzip.py", [path], TimeSpan.FromMinutes(5)).ShouldContain("good");
    }

    private static string Write(TemporaryFolder folder)
    {
        string path = Path.Combine(folder.Path, "large.pt");
        TorchFileWriter file = TorchFileWriter.Plan(new TorchMap
        {
            ["large"] = new TorchTensorValue(new MarkedTensor()),
            ["after"] = new TorchTensorValue(new MemoryTensor(TensorType.I32, [2], new byte[] { 1, 0, 0, 0, 2, 0, 0, 0 })),
        }, "large");
        WriteSparse(file, path);
        return path;
    }

    private static void WriteSparse(TorchFileWriter file, string path)
    {
        using FileStream stream = File.Create(path);
        stream.SetLength(file.Length);
        long position = 0;
        file.WriteTo((bytes, _, _) =>
        {
            if (bytes.ContainsAnyExcept((byte)0))
            {
                stream.Position = position;
                stream.Write(bytes);
            }
            position += bytes.Length;
        });
        position.ShouldBe(file.Length);
    }

    /// <summary>Zeros, with a few bytes among them that are not.</summary>
    private sealed class MarkedTensor() : StateTensor(TensorType.U8, [Size])
    {
        public override void CopyTo(long offset, Span<byte> destination)
        {
            destination.Clear();
            for (int i = 0; i < Marks.Length; i++)
            {
                if (Marks[i] >= offset && Marks[i] < offset + destination.Length)
                    destination[(int)(Marks[i] - offset)] = (byte)(i + 1);
            }
        }
    }
}
