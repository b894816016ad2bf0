using System.Globalization;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving.Stages;
using Cairn.State;
using Cairn.Tests.Saving;
using Cairn.Tests.Stores;
using Cairn.Tiers;

namespace Cairn.Tests.Tiers;

/// <summary>For every prefix of the fast tier's operations, and every loss of what was not synced: what was recoverable is found.</summary>
public class FastTierCrashTests
{
    [Theory, InlineData(true, "cairn"), InlineData(false, "cairn"), InlineData(true, "internlm"), InlineData(false, "internlm")]
    public void Whatever_was_recoverable_survives_a_power_cut_at_any_operation(bool canExchange, string layout)
    {
        var files = new SimulatedFileSystem { CanExchange = canExchange };
        var tier = new FastTier(new FastPlace(files), HostMap.Single, RankGroup.Single, TimeProvider.System);
        foreach (long step in (long[])[10, 20, 30, 40, 50])
        {
            Save(tier, step == 30 ? SaveKind.Checkpoint : SaveKind.Snapshot, step, layout);
            if (tier.Copies.TakeNext() is { Kind: SaveKind.Checkpoint })
                tier.Copies.Ended(DrainEnd.Durable);
            else
                tier.Copies.Ended(DrainEnd.Failed);
            files.Mark(step.ToString(CultureInfo.InvariantCulture));
        }
        int states = 0;
        foreach (CrashState state in RandomFaults.Some(files.CrashStates()))
        {
            states++;
            long promised = state.Marks.Count == 0 ? 0 : long.Parse(state.Marks[^1], CultureInfo.InvariantCulture);
            Best(state.FileSystem).ShouldBeGreaterThanOrEqualTo(promised, state.Description);
        }
        states.ShouldBeGreaterThan(RandomFaults.Count(some: 50, all: 150));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_power_cut_during_recovery_loses_nothing_either(bool canExchange)
    {
        var files = new SimulatedFileSystem { CanExchange = canExchange };
        var tier = new FastTier(new FastPlace(files), HostMap.Single, RankGroup.Single, TimeProvider.System);
        foreach (long step in (long[])[10, 20])
            Save(tier, SaveKind.Snapshot, step, "cairn");
        int from = files.Operations.Count;
        Save(tier, SaveKind.Snapshot, 30, "cairn");
        foreach (CrashState state in RandomFaults.Some(files.CrashStates(from)))
        {
            int start = state.FileSystem.Operations.Count;
            new FastPlace(state.FileSystem).Recover();
            foreach (CrashState again in state.FileSystem.CrashStates(start))
                Best(again.FileSystem).ShouldBeGreaterThanOrEqualTo(20, $"{state.Description} / {again.Description}");
        }
    }

    [Fact]
    public void A_checkpoint_that_finds_no_place_brings_home_what_nobody_has_begun_to_bring()
    {
        var tier = new FastTier(new FastPlace(new SimulatedFileSystem()), HostMap.Single, RankGroup.Single, TimeProvider.System);
        var brought = new List<long>();
        tier.Bring = (copy, _, _, _) =>
        {
            brought.Add(copy.Step);
            tier.Copies.Ended(copy.Step < 30 ? DrainEnd.Durable : DrainEnd.Failed);
        };
        foreach (long step in (long[])[10, 20, 30, 40])
            Save(tier, SaveKind.Checkpoint, step, "cairn").Notes.ShouldBeEmpty();
        brought.ShouldBe([10, 20]);
        // A home that refuses is asked once.
        Save(tier, SaveKind.Checkpoint, 50, "cairn").Notes.ShouldHaveSingleItem().ShouldContain("step 30 was given up");
        brought.ShouldBe([10, 20, 30]);
    }

    private static long Best(SimulatedFileSystem files)
    {
        var place = new FastPlace(files);
        place.Recover();
        return place.Copies().OfType<FastCopy>().Where(copy => copy.IsWhole && Verifier.Verify(files, CatalogEntry.At(files, copy.Folder, copy.Marker.Kind, copy.Marker.Step)) is null)
            .Select(copy => copy.Marker.Step).DefaultIfEmpty(0).Max();
    }

    private static SavedCopy Save(FastTier tier, SaveKind kind, long step, string layout)
    {
        var run = new RunRecord("run", DateTimeOffset.UnixEpoch, Lineage.New, null);
        var parts = new[] { ("model", new StateMap { { "w", new MemoryTensor(TensorType.I64, [1], BitConverter.GetBytes(step)) } }), ("context", new StateMap { { "step", step } }) };
        Marker marker = SampleRun.MarkerOf(run, kind, step, layout);
        return tier.Save(new SaveInProgress(RankGroup.Single, marker, () => CheckpointLayouts.Of(layout).Plan(step, parts), refuseNonFinite: true, TimeSpan.FromSeconds(20)));
    }
}
