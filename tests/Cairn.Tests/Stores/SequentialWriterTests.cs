using System.Buffers;
using System.Collections.Concurrent;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

public class SequentialWriterTests
{
    const int Block = 2 * AlignedMemory.Alignment;

    [Theory, InlineData(0), InlineData(1), InlineData(AlignedMemory.Alignment), InlineData(Block - 1), InlineData(Block), InlineData((5 * Block) + 4097)]
    public void Whatever_its_length_the_file_has_the_bytes_in_order_and_no_more(int length)
    {
        byte[] bytes = Random(length);
        var file = new Recorded();
        using (var writer = new SequentialWriter(file, length, new AlignedMemory(Block)))
        {
            for (int start = 0; start < length; start += 1000)
                writer.Write(bytes.AsSpan(start, Math.Min(1000, length - start)));
            writer.Complete();
        }
        file.Bytes.ShouldBe(bytes);
        file.Offsets.ShouldBe(Enumerable.Range(0, (length + Block - 1) / Block).Select(i => (long)i * Block), ignoreOrder: true);
    }

    [Fact]
    public void Blocks_that_end_out_of_order_come_to_their_places()
    {
        byte[] bytes = Random(3 * Block);
        using var others = new CountdownEvent(2);
        var file = new Recorded
        {
            Writing = offset =>
            {
                // The first block ends when the two after it have ended.
                if (offset == 0)
                    others.Wait(TestContext.Current.CancellationToken);
                else
                    others.Signal();
            },
        };
        using var writer = new SequentialWriter(file, bytes.Length, new AlignedMemory(Block));
        writer.Write(bytes);
        writer.Complete();
        file.Bytes.ShouldBe(bytes);
    }

    [Fact]
    public void What_a_block_fails_with_is_thrown_at_the_latest_at_the_end()
    {
        var file = new Recorded { Writing = offset => throw new IOException($"full at {offset}") };
        using var writer = new SequentialWriter(file, 3 * Block, new AlignedMemory(Block));
        Should.Throw<IOException>(() =>
        {
            writer.Write(new byte[3 * Block]);
            writer.Complete();
        }).Message.ShouldBe("full at 0");
    }

    [Fact]
    public async Task A_writer_that_is_given_up_ends_when_no_block_is_under_way_any_more()
    {
        using ManualResetEventSlim given = new(), goOn = new();
        var file = new Recorded
        {
            Writing = _ =>
            {
                given.Set();
                goOn.Wait(TestContext.Current.CancellationToken);
            },
        };
        var writer = new SequentialWriter(file, 2 * Block, new AlignedMemory(Block));
        writer.Write(new byte[Block]);
        given.Wait(TestContext.Current.CancellationToken);
        Task closing = Task.Run(writer.Dispose, TestContext.Current.CancellationToken);
        file.Offsets.ShouldBeEmpty();
        goOn.Set();
        await closing;
        file.Offsets.ShouldBe([0]);
    }

    [Fact]
    public void Memory_of_one_file_serves_the_next()
    {
        var memory = new AlignedMemory(Block);
        HashSet<nint> first = Addresses(), second = Addresses();
        second.IsSubsetOf(first).ShouldBeTrue();
        first.ShouldAllBe(address => (long)address % AlignedMemory.Alignment == 0);

        unsafe HashSet<nint> Addresses()
        {
            var seen = new ConcurrentDictionary<nint, bool>();
            var file = new Recorded { Block = block => { fixed (byte* start = block) seen.TryAdd((nint)start, true); } };
            using var writer = new SequentialWriter(file, 10 * Block, memory);
            writer.Write(new byte[10 * Block]);
            writer.Complete();
            return [.. seen.Keys];
        }
    }

    [Fact]
    public void Memory_for_a_file_of_some_hundred_kilobytes_comes_back_though_the_thread_that_had_it_is_gone()
    {
        const int Length = 300 << 10;
        var memory = new AlignedMemory(1 << 20);
        AllocatedByAnotherThread();
        AllocatedByAnotherThread().ShouldBeLessThan(16 << 10);

        long AllocatedByAnotherThread()
        {
            long allocated = 0;
            var thread = new Thread(() =>
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                using (IMemoryOwner<byte> block = memory.Rent(Length))
                    block.Memory.Span[Length - 1] = 1;
                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            });
            thread.Start();
            thread.Join();
            return allocated;
        }
    }

    static byte[] Random(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    delegate void Look(ReadOnlySpan<byte> block);

    sealed class Recorded : IWritableFile
    {
        readonly Lock _gate = new();

        public Action<long> Writing { get; init; } = _ => { };
        public Look Block { get; init; } = _ => { };
        public byte[] Bytes { get; private set; } = [];
        public List<long> Offsets { get; } = [];

        public void Write(long offset, ReadOnlySpan<byte> block)
        {
            Writing(offset);
            Block(block);
            lock (_gate)
            {
                byte[] grown = Bytes.Length < offset + block.Length ? new byte[offset + block.Length] : Bytes;
                if (grown != Bytes)
                    Bytes.CopyTo(grown, 0);
                block.CopyTo(grown.AsSpan((int)offset));
                Bytes = grown;
                Offsets.Add(offset);
            }
        }

        public void Sync() { }

        public void Dispose() { }
    }
}
