using System.Globalization;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Interop.Tests;

public class LargeFileReadingTests
{
    private const long Needed = 6L << 30;
    // Where there is memory for it, the file need not go to the disk. An interpreter of one's own may see no more than the temporary files.
    private static readonly string[] Places = Environment.GetEnvironmentVariable("CAIRN_PYTHON") is null ? ["/dev/shm", Path.GetTempPath()] : [Path.GetTempPath()];

    [Fact]
    public void A_file_of_more_than_4_gib_is_read()
    {
        RandomFaults.RequireAll();
        Python.Require();
        string? place = Places.FirstOrDefault(folder => Directory.Exists(folder) && new DriveInfo(folder).AvailableFreeSpace >= Needed);
        if (place is null)
            Assert.Skip($"There are no {Needed >> 30} GiB free at {Path.GetTempPath()}. Set TMPDIR to a place that has them.");
        string folder = Directory.CreateDirectory(Path.Combine(place, $"cairn-large-{Environment.ProcessId}")).FullName;
        try
        {
            Read(Path.Combine(folder, "large.pt"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Read(string path)
    {
        long size = long.Parse(Python.Run("write_large.py", [path], TimeSpan.FromMinutes(10)), CultureInfo.InvariantCulture);
        using TorchFile file = TorchFile.Map(path);
        var root = (TorchMap)file.Root;
        StateTensor large = ((TorchTensorValue)root["large"]).Data, after = ((TorchTensorValue)root["after"]).Data;
        large.ByteLength.ShouldBe(size);
        large.TryGetSpan(size - 2, 2, out ReadOnlySpan<byte> end).ShouldBeTrue();
        end.ToArray().ShouldBe(new byte[] { 0, 7 });
        byte[] bytes = new byte[after.ByteLength];
        after.CopyTo(0, bytes);
        bytes.Chunk(8).Select(chunk => BitConverter.ToInt64(chunk)).ShouldBe([0L, 1, 2, 3, 4]);
    }
}
