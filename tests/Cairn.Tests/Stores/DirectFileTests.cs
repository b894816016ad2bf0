using Cairn.Stores;

namespace Cairn.Tests.Stores;

public sealed class DirectFileTests : IDisposable
{
    const int Large = 20 << 20;

    private readonly string _root = Directory.CreateTempSubdirectory("cairn-direct-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory, InlineData(DirectIO.Always, Large), InlineData(DirectIO.Always, Large + 1), InlineData(DirectIO.Always, (8 << 20) - 1), InlineData(DirectIO.Auto, Large + 4095), InlineData(DirectIO.Never, Large + 1)]
    public void A_large_file_reads_back_whichever_way_it_was_written(DirectIO way, int length)
    {
        var files = new LocalFileSystem(_root) { DirectIO = way };
        byte[] bytes = Write(files, "file", length, seed: 1);
        File.ReadAllBytes(Path.Join(_root, "file")).ShouldBe(bytes);
        Directory.GetFiles(_root).ShouldHaveSingleItem("the trial leaves nothing");
    }

    [Fact]
    public void A_file_that_is_overwritten_has_the_new_bytes_alone()
    {
        var files = new LocalFileSystem(_root) { DirectIO = DirectIO.Always };
        Write(files, "file", Large, seed: 1);
        byte[] bytes = Write(files, "file", Large - 5000, seed: 2);
        File.ReadAllBytes(Path.Join(_root, "file")).ShouldBe(bytes);
    }

    [Theory, InlineData(DirectIO.Always, Large, true), InlineData(DirectIO.Never, Large, false), InlineData(DirectIO.Always, 1000, false)]
    public void Large_files_alone_go_past_the_page_cache_and_only_when_they_may(DirectIO way, int length, bool isDirect)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Direct I/O is for Linux.");
        using IWritableFile file = new LocalFileSystem(_root) { DirectIO = way }.OpenWrite("file", length);
        IsOpenDirectly(Path.Join(_root, "file")).ShouldBe(isDirect);
    }

    [Fact]
    public void A_block_that_the_disk_does_not_take_goes_through_the_cache_and_so_do_those_after_it()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Direct I/O is for Linux.");
        string path = Path.Join(_root, "file");
        byte[] bytes = new byte[1000];
        new Random(1).NextBytes(bytes);
        using (DirectFile file = DirectFile.TryTake(RegularFile.OpenWrite(path, out _), bytes.Length).ShouldNotBeNull())
        {
            IsOpenDirectly(path).ShouldBeTrue();
            file.Write(0, bytes.AsSpan(0, 600));
            IsOpenDirectly(path).ShouldBeFalse();
            file.Write(600, bytes.AsSpan(600));
            file.Sync();
        }
        File.ReadAllBytes(path).ShouldBe(bytes);
    }

    [Fact]
    public void Without_space_for_it_nothing_is_written_and_what_was_there_stays()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs a mount.");
        string small = Directory.CreateDirectory(Path.Join(_root, "small")).FullName;
        using (Mounted.Tmpfs(small, 32 << 20))
        {
            var files = new LocalFileSystem(small) { DirectIO = DirectIO.Always };
            byte[] bytes = Write(files, "file", Large, seed: 1);
            Should.Throw<IOException>(() => Write(files, "other", Large, seed: 2)).Message.ShouldContain("space");
            File.ReadAllBytes(Path.Join(small, "file")).ShouldBe(bytes);
            File.Exists(Path.Join(small, "other")).ShouldBeFalse();
        }
    }

    static byte[] Write(LocalFileSystem files, string name, int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        using IWritableFile file = files.OpenWrite(name, length);
        // The one from memory that no disk takes as it is.
        file.Write(AlignedMemory.Alignment, bytes.AsSpan(AlignedMemory.Alignment));
        file.Write(0, bytes.AsSpan(0, AlignedMemory.Alignment));
        file.Sync();
        return bytes;
    }

    // O_DIRECT of the open file, as the system shows it.
    static bool IsOpenDirectly(string path)
    {
        string opened = Directory.GetFiles("/proc/self/fd").Single(link => new FileInfo(link).LinkTarget == path);
        string flags = File.ReadAllLines($"/proc/self/fdinfo/{Path.GetFileName(opened)}").Single(line => line.StartsWith("flags:", StringComparison.Ordinal));
        int direct = System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? 0x10000 : 0x4000;
        return (Convert.ToInt32(flags["flags:".Length..].Trim(), 8) & direct) != 0;
    }
}
