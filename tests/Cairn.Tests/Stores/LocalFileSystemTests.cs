using System.Diagnostics;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

public sealed class LocalFileSystemTests : FileSystemConformance, IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("cairn-").FullName;
    private readonly LocalFileSystem _files;

    public LocalFileSystemTests() => _files = new LocalFileSystem(_root);

    internal override IFileSystem Files => _files;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Free_space_is_known() => _files.AvailableBytes().ShouldNotBeNull().ShouldBePositive();

    [Fact]
    public void What_another_name_keeps_or_a_hole_lacks_frees_nothing()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Windows does not tell what a file takes of the disk.");
        const int Bytes = 1 << 20;
        foreach (string name in (string[])["copy/own", "copy/linked"])
        {
            _files.CreateFolder("copy/sub");
            using IWritableFile file = _files.OpenWrite(name, Bytes);
            file.Write(0, new byte[Bytes]);
            file.Sync();
        }
        _files.ReclaimableBytes("copy").ShouldBeInRange(2 * Bytes, 2 * Bytes + (1 << 16));
        using (Process link = Process.Start("ln", [Path.Join(_root, "copy/linked"), Path.Join(_root, "backup")]))
            link.WaitForExit();
        using (FileStream sparse = File.Create(Path.Join(_root, "copy/sub/sparse")))
            sparse.SetLength(64L << 20);
        _files.ReclaimableBytes("copy").ShouldBeInRange(Bytes, Bytes + (1 << 16));
        _files.ReclaimableBytes("missing").ShouldBe(0);
    }

    [Fact]
    public void A_root_that_does_not_exist_is_empty_and_can_be_made()
    {
        var files = new LocalFileSystem(Path.Join(_root, "runs", "one"));
        files.List("").ShouldBeEmpty();
        files.CanExchange.ShouldBeFalse();
        files.CreateFolder("");
        files.FolderExists("").ShouldBeTrue();
        files.CanExchange.ShouldBe(_files.CanExchange);
    }

    [Fact]
    public void A_file_of_many_megabytes_reads_back()
    {
        byte[] bytes = new byte[40 << 20];
        new Random(1).NextBytes(bytes);
        using (IWritableFile file = _files.OpenWrite("big", bytes.Length))
        {
            for (int i = 0; i < bytes.Length; i += 1 << 22)
                file.Write(i, bytes.AsSpan(i, 1 << 22));
            file.Sync();
        }
        File.ReadAllBytes(Path.Join(_root, "big")).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }

    [Fact]
    public void Lines_appended_by_many_threads_do_not_mix()
    {
        Parallel.For(0, 500, i => _files.Append("journal", System.Text.Encoding.ASCII.GetBytes($"{i:D40}\n"), durable: false));
        string[] lines = File.ReadAllLines(Path.Join(_root, "journal"));
        lines.Length.ShouldBe(500);
        lines.Order(StringComparer.Ordinal).ShouldBe(Enumerable.Range(0, 500).Select(i => $"{i:D40}"));
    }
}
