using Cairn.Stores;

namespace Cairn.Tests.Stores;

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
            file.Write(0, [i]);
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
    public void A_pool_reads_all_its_files_with_few_handles_and_closes_each()
    {
        var store = new SimulatedFileSystem();
        store.CreateFolder("");
        for (byte i = 0; i < 100; i++)
        {
            using IWritableFile file = store.OpenWrite($"{i}", 1);
            file.Write(0, [i]);
        }
        var files = new CountingFileSystem(store);
        using var pool = new FilePool(files, mostOpen: 7);
        IReadableFile[] all = [.. Enumerable.Range(0, 100).Select(i => pool.Open($"{i}"))];
        byte[] value = new byte[1];
        for (int i = 0; i < 300; i++)
        {
            all[i % 100].Read(0, value).ShouldBe(1);
            value[0].ShouldBe((byte)(i % 100));
        }
        files.Most.ShouldBe(7);
        pool.Dispose();
        files.Open.ShouldBe(0);
    }

    [Fact]
    public void A_file_that_could_not_be_opened_once_is_tried_again()
    {
        var files = new SimulatedFileSystem();
        files.CreateFolder("");
        using var open = new OpenFiles(files, "", most: 7);
        Should.Throw<IOException>(() => open["late"]);
        using (IWritableFile file = files.OpenWrite("late", 1))
            file.Write(0, [1]);
        open["late"].Length.ShouldBe(1);
    }

    private sealed class CountingFileSystem(IFileSystem inner) : ForwardingFileSystem(inner)
    {
        public int Open { get; private set; }
        public int Most { get; private set; }

        public override IReadableFile OpenRead(string path)
        {
            Most = Math.Max(Most, ++Open);
            return new Counted(this, Inner.OpenRead(path));
        }

        private sealed class Counted(CountingFileSystem owner, IReadableFile file) : IReadableFile
        {
            public long Length => file.Length;
            public int Read(long offset, Span<byte> destination) => file.Read(offset, destination);

            public void Dispose()
            {
                owner.Open--;
                file.Dispose();
            }
        }
    }
}
