using System.Diagnostics;
using System.Globalization;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks.Planning;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Tests.Ranks.Planning;

/// <summary>
/// 16,384 ranks with thousands of tensors, in one process. How fast a machine is, and what else it does, is of no account: what an eighth of the ranks takes on the same
/// processor a moment before is the measure, and one good try counts. The times themselves are in the benchmarks.
/// </summary>
public class ScaleTests
{
    private const int Tries = 5;

    private static readonly int Tensors = RandomFaults.AreAll ? 10_000 : 4_000;

    // Eight times the ranks may take eight times as long and somewhat more. What grows with their square takes 64 times as long.
    private const double MostTimes = 28;

    private static readonly World World = new(Tp: 8, Pp: 16, Dp: 128, Zo: 128), Eighth = new(Tp: 8, Pp: 16, Dp: 16, Zo: 16);

    [Fact]
    public void The_plan_of_16384_ranks_takes_no_longer_per_rank_and_each_rank_finds_its_own_in_moments()
    {
        LargeJob job = new(World, Tensors), small = new(Eighth, Tensors);
        SavePlan plan = null!;
        ShouldTakeLess(MostTimes, () => TimeOf(() => Plan(Eighth, small)), () => TimeOf(() => plan = Plan(World, job)), "the plan");
        long wholeBytes = AllocatedBy(() => SavePlan.Create(World.Size, job.Classes));

        // Every rank writes about the same: replicas go to those that have less.
        long[] loads = [.. Enumerable.Range(0, World.Size).Select(plan.BytesOf)];
        loads.Max().ShouldBeLessThan(loads.Sum() / World.Size * 2);
        for (int i = 0; i < 8; i++)
        {
            int rank = i * 2047;
            SavePlan own = null!;
            long bytes = AllocatedBy(() => own = SavePlan.Create(World.Size, job.Classes, rank));
            // What it makes for itself, in place of how long it takes: that is in the benchmarks.
            bytes.ShouldBeLessThan(wholeBytes / 8, $"rank {rank}");
            for (int c = 0; c < job.Classes.Count; c++)
            {
                if (Array.BinarySearch(job.Classes[c].Ranks, rank) < 0)
                    continue;
                for (int leaf = 0; leaf < job.Classes[c].Leaves.Length; leaf++)
                    own.OwnerOf(c, leaf).ShouldBe(plan.OwnerOf(c, leaf));
            }
        }
    }

    [Fact]
    public void The_marker_of_16384_ranks_is_small_and_the_catalog_opens_it_as_fast_per_rank_as_a_smaller_one()
    {
        Marker marker = LargeMarker(World, length: 0);
        marker.Files.Count.ShouldBeGreaterThan(3 * World.Size);
        LargeMarker(World, length: 123_456_789_012).ToBytes().Length.ShouldBeLessThan(32 << 20);
        using TemporaryFolder folder = FolderOf(marker), small = FolderOf(LargeMarker(Eighth, length: 0));
        Marker? read = null;
        ShouldTakeLess(MostTimes, () => TimeOf(() => Read(small)), () => TimeOf(() => read = Read(folder)), "the catalog");
        read.ShouldNotBeNull().Files.ShouldBe(marker.Files);
    }

    private static SavePlan Plan(World world, LargeJob job)
    {
        var plan = SavePlan.Create(world.Size, job.Classes);
        LeafDetail.Check(job.Details.Select(of => (of.Part, of.Leaves.AsEnumerable())));
        return plan;
    }

    private static TemporaryFolder FolderOf(Marker marker)
    {
        var folder = new TemporaryFolder(inMemory: true);
        var files = new LocalFileSystem(folder.Path);
        files.CreateFolder("500");
        foreach (MarkedFile file in marker.Files)
            File.Create(Path.Combine(folder.Path, "500", file.Name)).Dispose();
        files.Append($"500/{Marker.FileName(500)}", marker.ToBytes(), durable: false);
        return folder;
    }

    private static Marker? Read(TemporaryFolder folder) => Catalog.Read(new LocalFileSystem(folder.Path)).Entries.ShouldHaveSingleItem().Marker;

    private static void ShouldTakeLess(double times, Func<TimeSpan> measure, Func<TimeSpan> time, string what)
    {
        double best = double.MaxValue;
        for (int i = 0; i < Tries && best >= times; i++)
            best = Math.Min(best, time() / measure());
        best.ShouldBeLessThan(times, what);
    }

    private static long AllocatedBy(Action action)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static TimeSpan TimeOf(Action action)
    {
        TimeSpan before = ProcessorTime();
        action();
        return ProcessorTime() - before;
    }

    // Of this thread: proc(5), "schedstat" of a task begins with its time on a processor in nanoseconds. Elsewhere, what a clock says.
    private static TimeSpan ProcessorTime() => OperatingSystem.IsLinux()
        ? TimeSpan.FromTicks(long.Parse(File.ReadAllText("/proc/thread-self/schedstat").Split(' ')[0], CultureInfo.InvariantCulture) / TimeSpan.NanosecondsPerTick)
        : Stopwatch.GetElapsedTime(0);

    /// <summary>A marker with every file that each rank of a world can write.</summary>
    internal static Marker LargeMarker(World world, long length)
    {
        var files = new List<MarkedFile>();
        for (int rank = 0; rank < world.Size; rank++)
        {
            RankCoordinates at = world.CoordinatesOf(rank);
            foreach ((string part, PartScope scope) in new[] { ("model", PartScope.Shared), ("optimizer", PartScope.Shared), ("random", PartScope.PerRank) })
                files.Add(new MarkedFile(PartFileName.StemOf(part, scope, world, rank) + ".safetensors", length, ChunkHashes.Whole(0xA)));
            if (at is { Tp: 0, Pp: 0 })
                files.Add(new MarkedFile(PartFileName.StemOf("sampler", PartScope.PerDataRank, world, rank) + ".json", length, ChunkHashes.Whole(0xB)));
        }
        return new Marker
        {
            Step = 500,
            Kind = SaveKind.Checkpoint,
            Reason = SaveReason.Interval,
            Run = "run",
            Lineage = Lineage.New,
            Time = DateTimeOffset.UnixEpoch,
            World = world,
            Train = new StateMap { ["step_count"] = 500L },
            Files = files,
        };
    }
}
