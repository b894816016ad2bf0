using System.Runtime.ExceptionServices;
using Cairn.State;

namespace Cairn.Inspection;

/// <summary>Work over the blocks of one tensor, or of a pair of them, that several threads share.</summary>
/// <typeparam name="TScratch">What each thread has of its own: buffers, and what it found in the blocks of one job.</typeparam>
internal abstract class BlockJob<TScratch>(long blocks) where TScratch : class, new()
{
    private readonly Lock _settling = new();
    private long _left = blocks;

    /// <summary>Blocks of the job.</summary>
    public long Blocks { get; } = blocks;

    /// <summary>Does one block and gives the bytes that were read. Blocks come in any order, from several threads at once.</summary>
    protected abstract long Do(long block, TScratch scratch);

    /// <summary>Takes over what a thread found in some blocks, and clears it. One thread at a time.</summary>
    protected abstract void TakeOver(TScratch scratch);

    /// <summary>All blocks were taken over.</summary>
    protected abstract void Finish();

    /// <summary>Does all jobs, in their order as far as one thread can tell, with a bounded amount of memory for each thread.</summary>
    /// <param name="jobs">The jobs.</param>
    /// <param name="threads">How many blocks are worked on at once.</param>
    /// <param name="done">Hears of bytes that were read, from any thread.</param>
    /// <param name="cancellationToken">Ends it between two blocks.</param>
    public static void RunAll(IReadOnlyList<BlockJob<TScratch>> jobs, int threads, Action<long>? done, CancellationToken cancellationToken)
    {
        var turn = new Lock();
        int nextJob = 0;
        long nextBlock = 0;
        ExceptionDispatchInfo? failure = null;

        Task[] workers = [.. Enumerable.Range(0, threads).Select(_ => Task.Run(Work, CancellationToken.None))];
        Task.WaitAll(workers, CancellationToken.None);
        failure?.Throw();
        cancellationToken.ThrowIfCancellationRequested();

        void Work()
        {
            var scratch = new TScratch();
            BlockJob<TScratch>? current = null;
            long finished = 0;
            try
            {
                while (failure is null && !cancellationToken.IsCancellationRequested && Take() is { Job: { } job } next)
                {
                    if (job != current)
                    {
                        current?.Settle(scratch, finished);
                        (current, finished) = (job, 0);
                    }
                    long bytes = job.Blocks == 0 ? 0 : job.Do(next.Block, scratch);
                    finished += job.Blocks == 0 ? 0 : 1;
                    done?.Invoke(bytes);
                }
                current?.Settle(scratch, finished);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            }
        }

        (BlockJob<TScratch>? Job, long Block) Take()
        {
            lock (turn)
            {
                if (nextJob == jobs.Count)
                    return default;
                (BlockJob<TScratch>, long) taken = (jobs[nextJob], nextBlock++);
                if (nextBlock >= jobs[nextJob].Blocks)
                    (nextJob, nextBlock) = (nextJob + 1, 0);
                return taken;
            }
        }
    }

    private void Settle(TScratch scratch, long finished)
    {
        lock (_settling)
        {
            TakeOver(scratch);
            _left -= finished;
            if (_left == 0)
                Finish();
        }
    }
}

/// <summary>How tensors are cut into blocks, and read.</summary>
internal static class Blocks
{
    // Whole elements of every type; those of 6 bits take 3 bytes for 4. Small enough to stay in the second-level cache.
    private const int Bytes = 48 * 8192;

    /// <summary>Elements of a block.</summary>
    public static int Elements(TensorType type) => Bytes * 8 / type.BitsPerElement();

    /// <summary>Blocks of this many elements that a tensor has.</summary>
    public static long Count(StateTensor tensor, int elements) => (tensor.ByteLength + Length(tensor.Type, elements) - 1) / Length(tensor.Type, elements);

    /// <summary>The bytes of a block: those in memory, or read into <paramref name="buffer"/>, which grows when it must.</summary>
    public static ReadOnlySpan<byte> Read(StateTensor tensor, long block, int elements, ref byte[] buffer)
    {
        int most = Length(tensor.Type, elements);
        long offset = block * most;
        int length = (int)Math.Min(most, tensor.ByteLength - offset);
        if (tensor.TryGetSpan(offset, length, out ReadOnlySpan<byte> bytes))
            return bytes;
        if (buffer.Length < length)
            buffer = new byte[most];
        tensor.CopyTo(offset, buffer.AsSpan(0, length));
        return buffer.AsSpan(0, length);
    }

    private static int Length(TensorType type, int elements) => (int)((long)elements * type.BitsPerElement() / 8);
}
