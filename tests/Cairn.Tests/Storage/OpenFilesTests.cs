using Cairn.Storage;

namespace Cairn.Tests.Storage;

public class OpenFilesTests
{
    [Fact]
    public void However_many_files_are_read_only_so_many_are_open()
    {
        var files = new SimulatedFileSystem();
        files.CreateFolder("a");
        for (byte i = 0; i < 100; i++)
        {
            using IWritableFile file = files.OpenWrite($"a/{i}", 1);
            file.Write([i]);
        }
        using var open = new OpenFiles(files, "a", most: 7);
        IReadableFile[] all = [.. Enumerable.Range(0, 100).Select(i => open[$"{i}"])];
        Parallel.For(0, 1000, i =>
        {
            byte[] value = new byte[1];
            all[i % 100].Read(0, value).ShouldBe(1);
            value[0].ShouldBe((byte)(i % 100));
        });
        byte[] last = new byte[1];
        all[0].Read(0, last);
        open.Count.ShouldBeLessThanOrEqualTo(7);
        open.Dispose();
        Should.Throw<ObjectDisposedException>(() => all[0].Read(0, last));
    }

    [Fact]
    public void A_file_that_could_not_be_opened_once_is_tried_again()
    {
        var files = new SimulatedFileSystem();
        files.CreateFolder("");
        using var open = new OpenFiles(files, "", most: 7);
        Should.Throw<IOException>(() => open["late"]);
        using (IWritableFile file = files.OpenWrite("late", 1))
            file.Write([1]);
        open["late"].Length.ShouldBe(1);
    }
}
