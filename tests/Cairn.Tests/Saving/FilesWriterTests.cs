using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Formats.Safetensors;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Tests.Saving;

/// <summary>Files so large that several threads write them.</summary>
public class FilesWriterTests
{
    const int Chunk = 16 << 20;

    [Fact]
    public void Several_threads_write_every_byte_once_and_the_hashes_of_one_pass()
    {
        IFileContent[] contents = [Content(5 * Chunk / 4), Content(7), Content(2 * Chunk + 100)];
        var written = new Recorded[contents.Length];
        IReadOnlyList<WrittenFile> results = FilesWriter.Write(
            [.. contents.Select((content, i) => new FileToWrite($"{i}", content, () => written[i] = new Recorded((int)content.Length)))], _ => { }, TestContext.Current.CancellationToken);
        for (int i = 0; i < contents.Length; i++)
        {
            byte[] expected = new byte[contents[i].Length];
            ((IRangedContent)contents[i]).Read(0, expected);
            written[i].Bytes.AsSpan().SequenceEqual(expected).ShouldBeTrue();
            written[i].Written.ShouldBe(expected.Length);
            (written[i].Synced, written[i].Disposed).ShouldBe((1, 1));
            results[i].ShouldBe(new WrittenFile(Hashes(expected), null));
        }
    }

    [Fact]
    public void A_content_that_comes_in_order_has_the_same_hashes()
    {
        IRangedContent content = Content(3 * Chunk);
        WrittenFile ranged = Write(content, _ => new Recorded((int)content.Length)), ordered = Write(new InOrder(content), _ => new Recorded((int)content.Length));
        ordered.ShouldBe(ranged);
        ordered.Hashes.Count.ShouldBeGreaterThan(2);
    }

    [Fact]
    public void Of_contents_that_come_in_order_one_at_a_time_is_written()
    {
        IFileContent content = Content(2 * Chunk);
        int now = 0, most = 0;
        var inOrder = new InOrder(content)
        {
            Around = write =>
            {
                most = Math.Max(most, Interlocked.Increment(ref now));
                write();
                Interlocked.Decrement(ref now);
            },
        };
        FileToWrite[] files = [.. Enumerable.Range(0, 4).Select(i => new FileToWrite($"{i}", inOrder, () => new Recorded((int)content.Length)))];
        FilesWriter.Write(files, _ => { }, TestContext.Current.CancellationToken).Select(file => file.Hashes).Distinct().ShouldHaveSingleItem();
        most.ShouldBe(1);
    }

    [Fact]
    public void The_first_tensor_with_a_nan_is_named_whichever_chunk_is_written_first()
    {
        IRangedContent content = Content(4 * Chunk, nanAt: [0, 1, 3]);
        using var later = new CountdownEvent(1);
        // The chunk with the first one is written after that with the last one.
        WrittenFile file = Write(content, _ => new Recorded((int)content.Length)
        {
            Writing = offset =>
            {
                if (offset == Chunk)
                    later.Wait(TestContext.Current.CancellationToken);
                else if (offset >= 4 * Chunk && !later.IsSet)
                    later.Signal();
            },
        });
        file.NonFiniteTensor.ShouldBe("t0");
    }

    [Fact]
    public void A_block_that_fails_ends_all_threads_and_closes_every_file()
    {
        IRangedContent content = Content(6 * Chunk);
        var files = new ConcurrentBag<Recorded>();
        int wrote = 0;
        FileToWrite[] two = [.. Enumerable.Range(0, 2).Select(i => new FileToWrite($"{i}", content, () =>
        {
            var file = new Recorded((int)content.Length) { Writing = offset => { if (offset == Chunk) throw new IOException("full"); } };
            files.Add(file);
            return file;
        }))];
        Should.Throw<IOException>(() => FilesWriter.Write(two, bytes => Interlocked.Add(ref wrote, bytes), TestContext.Current.CancellationToken)).Message.ShouldBe("full");
        files.ShouldAllBe(file => file.Disposed == 1 && file.Synced == 0);
        wrote.ShouldBeLessThan(12 * Chunk);
    }

    [Fact]
    public void A_file_that_cannot_be_opened_is_the_error()
    {
        IRangedContent content = Content(6 * Chunk);
        Should.Throw<IOException>(() => Write(content, _ => throw new IOException("no room"))).Message.ShouldBe("no room");
    }

    [Fact]
    public void Nothing_is_begun_once_it_was_cancelled()
    {
        IRangedContent content = Content(100);
        var file = new Recorded(100);
        Should.Throw<OperationCanceledException>(() => FilesWriter.Write([new FileToWrite("f", content, () => file)], _ => { }, new CancellationToken(canceled: true)));
        (file.Written, file.Disposed).ShouldBe((0, 1));
    }

    static WrittenFile Write(IFileContent content, Func<long, IWritableFile> open) =>
        FilesWriter.Write([new FileToWrite("f", content, () => open(content.Length), LooksForNonFinite: true)], _ => { }, TestContext.Current.CancellationToken)[0];

    static ChunkHashes Hashes(byte[] bytes)
    {
        var hasher = new ChunkHasher(ChunkHashes.ChunkBytesFor(bytes.Length));
        hasher.Append(bytes);
        return hasher.Finish();
    }

    // Four tensors, of which those named have a NaN as their last value.
    static IRangedContent Content(int bytes, int[]? nanAt = null)
    {
        var tensors = new List<KeyValuePair<string, StateTensor>>();
        for (int i = 0; i < 4; i++)
        {
            float[] values = new float[bytes / 16];
            for (int at = 0; at < values.Length; at += 1021)
                values[at] = at + i;
            if (nanAt?.Contains(i) == true)
                values[^1] = float.NaN;
            tensors.Add(new($"t{i}", new MemoryTensor(TensorType.F32, [values.Length], MemoryMarshal.AsBytes(values.AsSpan()).ToArray())));
        }
        return SafetensorsWriter.Plan(tensors);
    }

    sealed class InOrder(IFileContent content) : IFileContent
    {
        public Action<Action> Around { get; init; } = write => write();
        public long Length => content.Length;
        public IReadOnlyList<TensorPlacement> Tensors => content.Tensors;
        public void WriteTo(BlockSink sink) => Around(() => content.WriteTo(sink));
    }

    sealed class Recorded(int length) : IWritableFile
    {
        int _written;

        public Action<long> Writing { get; init; } = _ => { };
        public byte[] Bytes { get; } = new byte[length];
        public int Written => _written;
        public int Synced { get; private set; }
        public int Disposed { get; private set; }

        public void Write(long offset, ReadOnlySpan<byte> block)
        {
            Writing(offset);
            block.CopyTo(Bytes.AsSpan((int)offset));
            Interlocked.Add(ref _written, block.Length);
        }

        public void Sync()
        {
            Written.ShouldBe(length);
            Synced++;
        }

        public void Dispose() => Disposed++;
    }
}
