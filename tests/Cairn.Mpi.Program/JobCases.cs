using System.Diagnostics;
using Cairn.Ranks;

namespace Cairn.Mpi.Program;

/// <summary>What a job tells about itself, and what becomes of it when a rank dies.</summary>
internal static class JobCases
{
    // Those that live come within it, also on a busy machine. A call that waits for nobody takes less than Promptly.
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(5), Promptly = TimeSpan.FromSeconds(60);

    public static void Run(string what, MpiJob job)
    {
        switch (what)
        {
            case "describe":
                Console.WriteLine($"{job.Implementation?.ToString() ?? "no MPI"}, {job.Library}, {job.Threads}, rank {job.Ranks.Rank} of {job.Ranks.Size}, {job.Ranks.World}, {job.Ranks.Coordinates}, groups of {job.Tensor.Size} {job.Pipeline.Size} {job.Data.Size} {job.Zero.Size} at {job.Tensor.Rank} {job.Pipeline.Rank} {job.Data.Rank} {job.Zero.Rank}");
                break;
            case "null":
                NullReferencesAreStillExceptions();
                break;
            case "die":
                Die(job);
                break;
            case "fail":
                Fail(job);
                break;
            case "die-in-sum":
                DieInSum(job);
                break;
            default:
                throw new NotSupportedException($"'{what}' is nothing this program does.");
        }
    }

    // The runtime finds null references by SIGSEGV, for which MPI libraries like to install handlers of their own.
    private static void NullReferencesAreStillExceptions()
    {
        string? nothing = Environment.GetEnvironmentVariable("CAIRN_TEST_NOTHING");
        Should.Throw<NullReferenceException>(() => nothing!.Length);
    }

    private static void Die(MpiJob job)
    {
        job.Ranks.Barrier("all are here");
        if (job.Ranks.Rank == 2)
            Process.GetCurrentProcess().Kill();
        try
        {
            job.Ranks.Barrier("after the death", Short);
            throw new InvalidOperationException("The barrier was passed without rank 2.");
        }
        catch (RankTimeoutException e)
        {
            Console.WriteLine($"rank {job.Ranks.Rank} misses {string.Join(',', e.Missing)}");
        }
        // Does not go through the end of the job, which would wait for the dead rank once more.
        Console.Out.Flush();
        Environment.Exit(7);
    }

    private static void Fail(MpiJob job)
    {
        job.Ranks.Barrier("all are here");
        long start = Stopwatch.GetTimestamp();
        if (job.Ranks.Rank == 1)
        {
            job.Fail("the disk is full");
            job.Dispose();
            Console.WriteLine($"rank 1 left {(Stopwatch.GetElapsedTime(start) < Promptly ? "promptly" : "late")}");
        }
        else
        {
            Console.WriteLine($"rank {job.Ranks.Rank} hears: {Should.Throw<RankFailedException>(() => job.Ranks.Barrier("work")).Message}");
            job.Fail("another rank failed");
        }
        Console.Out.Flush();
        Environment.Exit(7);
    }

    private static unsafe void DieInSum(MpiJob job)
    {
        float[] values = GC.AllocateArray<float>(5_000_000, pinned: true);
        fixed (float* start = values)
        {
            nint address = (nint)start;
            job.All.AllReduce(address, values.Length, State.TensorType.F32, Reduction.Sum);
            if (job.Ranks.Rank == 2)
                Process.GetCurrentProcess().Kill();
            try
            {
                job.All.AllReduce(address, values.Length, State.TensorType.F32, Reduction.Sum, Short);
                throw new InvalidOperationException("The sum was made without rank 2.");
            }
            catch (RankTimeoutException e)
            {
                Console.WriteLine($"rank {job.Ranks.Rank} misses {string.Join(',', e.Missing)}");
            }
            Should.Throw<CheckpointException>(() => job.All.AllReduce(address, 1, State.TensorType.F32, Reduction.Sum)).Message.ShouldContain("cannot be used again");
        }
        Console.Out.Flush();
        Environment.Exit(7);
    }
}
