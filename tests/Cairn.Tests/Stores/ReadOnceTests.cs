using System.Buffers;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>Local files that are read past the system's cache.</summary>
public sealed class ReadOnceTests : IDisposable
{
    private const int Length = (5 << 20) + 1234;

    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _bytes = new byte[Length];

    public ReadOnceTests() => Random.Shared.NextBytes(_bytes);

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(DirectIO.Always), InlineData(DirectIO.Never)]
    public void The_bytes_are_those_of_the_file(DirectIO direct) => Check(new LocalFileSystem(_folder.Path) { DirectIO = direct });

    [Fact]
    public void A_file_system_in_memory_gives_them_too()
    {
        Assert.SkipUnless(Directory.Exists("/dev/shm"), "Needs a file system in memory at /dev/shm.");
        string folder = Path.Combine("/dev/shm", $"cairn-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        try
        {
            Check(new LocalFileSystem(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void What_was_read_past_the_cache_is_not_in_it()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs O_DIRECT.");
        var files = new LocalFileSystem(_folder.Path);
        Write(files);
        using IReadableFile file = files.OpenRead("f");
        var cached = (ICachedFile)file;
        Assert.SkipWhen(cached.IsCached(0, Length), "The temporary folder has no O_DIRECT.");
        using IMemoryOwner<byte> memory = AlignedMemory.Allocate(Length);
        cached.ReadOnce(0, memory.Memory.Span).ShouldBe(Length);
        cached.IsCached(0, Length).ShouldBeFalse();
        file.Read(0, memory.Memory.Span).ShouldBe(Length);
        cached.IsCached(0, Length).ShouldBeTrue();
    }

    private void Check(LocalFileSystem files)
    {
        Write(files);
        using IReadableFile file = files.OpenRead("f");
        using IMemoryOwner<byte> memory = AlignedMemory.Allocate(Length);
        memory.Memory.Length.ShouldBeGreaterThanOrEqualTo(Length);
        foreach ((int offset, int start, int length) in ((int, int, int)[])[(0, 0, memory.Memory.Length), (4096, 0, 2 << 20), (4097, 0, 2 << 20), (0, 1, 2 << 20), (4 << 20, 0, 2 << 20), (Length - 10, 0, 4096), (Length, 0, 4096), (8192, 0, 77)])
        {
            Span<byte> read = memory.Memory.Span.Slice(start, length);
            read.Clear();
            int count = ((ICachedFile)file).ReadOnce(offset, read);
            count.ShouldBe(Math.Min(length, Length - offset));
            read[..count].SequenceEqual(_bytes.AsSpan(offset, count)).ShouldBeTrue($"{length} bytes at {offset}");
        }
    }

    // As a checkpoint is: past the cache where that can be.
    private void Write(LocalFileSystem files)
    {
        using IWritableFile file = files.OpenWrite("f", Length);
        file.Write(0, _bytes);
        file.Sync();
    }
}
