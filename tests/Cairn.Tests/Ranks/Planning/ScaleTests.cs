using System.Diagnostics;
using Cairn.Commit;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Ranks.Planning;
using Cairn.State;

namespace Cairn.Tests.Ranks.Planning;

/// <summary>
/// 16,384 ranks with 10,000 tensors, in one process. The bounds are several times what is measured in bench/: they find what grows with the square, not a slow machine.
/// </summary>
public class ScaleTests
{
    private static readonly World World = new(Tp: 8, Pp: 16, Dp: 128, Zo: 128);

    [Fact]
    public void The_plan_of_16384_ranks_is_made_in_seconds_and_each_rank_finds_its_own_in_moments()
    {
        var job = new LargeJob(World, tensors: 10_000);
        long start = Stopwatch.GetTimestamp();
        SavePlan plan = SavePlan.Create(World.Size, job.Classes);
        LeafDetail.Check(job.Details.Select(of => (of.Part, of.Leaves.AsEnumerable())));
        Stopwatch.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromSeconds(40));

        // Every rank writes about the same: replicas go to those that have less.
        long[] loads = [.. Enumerable.Range(0, World.Size).Select(plan.BytesOf)];
        loads.Max().ShouldBeLessThan(loads.Sum() / World.Size * 2);
        for (int i = 0; i < 8; i++)
        {
            int rank = i * 2047;
            start = Stopwatch.GetTimestamp();
            SavePlan own = SavePlan.Create(World.Size, job.Classes, rank);
            Stopwatch.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromSeconds(2));
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
    public void The_marker_of_16384_ranks_is_small_and_read_at_once()
    {
        Marker marker = LargeMarker(World);
        byte[] bytes = marker.ToBytes();
        bytes.Length.ShouldBeLessThan(32 << 20);
        long start = Stopwatch.GetTimestamp();
        Marker.Parse(bytes, "500.step").Files.Count.ShouldBe(marker.Files.Count);
        Stopwatch.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromSeconds(10));
    }

    /// <summary>A marker with every file that each rank of a world can write.</summary>
    internal static Marker LargeMarker(World world)
    {
        var files = new List<MarkedFile>();
        for (int rank = 0; rank < world.Size; rank++)
        {
            RankCoordinates at = world.CoordinatesOf(rank);
            foreach ((string part, PartScope scope) in new[] { ("model", PartScope.Shared), ("optimizer", PartScope.Shared), ("random", PartScope.PerRank) })
                files.Add(new MarkedFile(PartFileName.StemOf(part, scope, world, rank) + ".safetensors", 123_456_789, new string('a', 32)));
            if (at is { Tp: 0, Pp: 0 })
                files.Add(new MarkedFile(PartFileName.StemOf("sampler", PartScope.PerDataRank, world, rank) + ".json", 123, new string('b', 32)));
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
