using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>For every prefix of the protocol's operations, and every loss of what was not synced: what was committed is found.</summary>
public class CrashConsistencyTests
{
    [Theory, InlineData(true, "cairn", false), InlineData(false, "cairn", false), InlineData(true, "internlm", false), InlineData(false, "internlm", false)]
    [InlineData(true, "cairn", true), InlineData(false, "internlm", true)]
    [InlineData(true, "cairn", false, true), InlineData(false, "cairn", false, true)]
    public void Whatever_was_committed_survives_a_power_cut_at_any_operation(bool canExchange, string layout, bool isDirect, bool shares = false)
    {
        var files = new SimulatedFileSystem { CanExchange = canExchange, IsDirect = isDirect };
        var run = new SampleRun(files, layout) { Shares = shares };
        (SaveKind Kind, long Step)[] saves =
        [
            (SaveKind.Snapshot, 10), (SaveKind.Snapshot, 20), (SaveKind.Checkpoint, 30), (SaveKind.Snapshot, 40), (SaveKind.Snapshot, 50), (SaveKind.Checkpoint, 60),
        ];
        foreach ((SaveKind kind, long step) in saves)
        {
            run.Save(kind, step);
            files.Mark(step.ToString(CultureInfo.InvariantCulture));
        }
        new RenamePublisher(files).Retire(30);
        files.Mark("60");

        int states = 0;
        var tried = new HashSet<UInt128>();
        foreach (CrashState state in RandomFaults.Some(files.CrashStates()))
        {
            states++;
            Check(state, Promised(state), layout, tried);
        }
        states.ShouldBeGreaterThan(RandomFaults.Count(some: 100, all: 300));
        files.Operations.Count(operation => operation.StartsWith("link ", StringComparison.Ordinal)).ShouldBe(shares ? saves.Length - 1 : 0);
    }

    [Theory, InlineData(true, "cairn"), InlineData(false, "cairn"), InlineData(true, "internlm"), InlineData(false, "internlm")]
    [InlineData(true, "cairn", true), InlineData(false, "cairn", true)]
    public void A_power_cut_during_recovery_loses_nothing_either(bool canExchange, string layout, bool shares = false)
    {
        var files = new SimulatedFileSystem { CanExchange = canExchange };
        var run = new SampleRun(files, layout) { Shares = shares };
        foreach (long step in (long[])[10, 20])
            run.Save(SaveKind.Snapshot, step);
        int from = files.Operations.Count;
        files.Mark("20");
        run.Save(SaveKind.Snapshot, 30);
        var tried = new HashSet<UInt128>();
        foreach (CrashState state in RandomFaults.Some(files.CrashStates(from)))
        {
            int start = state.FileSystem.Operations.Count;
            new RenamePublisher(state.FileSystem).Recover();
            foreach (CrashState again in state.FileSystem.CrashStates(start))
                Check(again, 20, layout, tried, state.Description);
        }
    }

    [Theory, InlineData(true, "cairn"), InlineData(false, "cairn"), InlineData(true, "internlm"), InlineData(false, "internlm")]
    public void A_power_cut_while_another_runs_snapshot_makes_way_loses_neither_run(bool canExchange, string layout)
    {
        var files = new SimulatedFileSystem { CanExchange = canExchange };
        var run = new SampleRun(files, layout);
        RunRecord present = run.Record, other = present with { Id = "other" };
        run.Record = other;
        run.Save(SaveKind.Snapshot, 7);
        run.Record = present;
        run.Save(SaveKind.Snapshot, 20);
        int from = files.Operations.Count;
        files.Mark("20");
        run.Save(SaveKind.Snapshot, 30);
        files.Mark("30");
        foreach (CrashState state in RandomFaults.Some(files.CrashStates(from)))
        {
            Check(state, state.FileSystem, Promised(state), layout);
            string[] places = [RunFolder.Slot(0), RunFolder.Slot(1), $"{RunFolder.Abandoned}/snapshot-7"];
            places.Select(place => Catalog.Snapshot(state.FileSystem, place)).Count(copy => copy.Marker?.Run == other.Id && Verifier.Verify(state.FileSystem, copy) is null)
                .ShouldBe(1, state.Description);
        }
    }

    [Theory, InlineData(true, "cairn"), InlineData(false, "cairn"), InlineData(true, "internlm")]
    public void A_power_cut_where_the_snapshots_are_on_another_file_system_loses_nothing(bool canExchange, string layout)
    {
        var inner = new SimulatedFileSystem { CanExchange = canExchange };
        SurvivesEverywhere(inner, SplitFileSystem.SnapshotsApart(inner), SplitFileSystem.SnapshotsApart, layout, static _ => { });
    }

    [Theory, InlineData(true, "cairn"), InlineData(false, "cairn"), InlineData(true, "internlm")]
    public void A_power_cut_where_an_overlay_keeps_the_slots_in_a_lower_layer_loses_nothing(bool canExchange, string layout)
    {
        var inner = new SimulatedFileSystem { CanExchange = canExchange };
        SurvivesEverywhere(inner, SplitFileSystem.Overlay(inner), SplitFileSystem.Overlay, layout, static files =>
        {
            foreach (string folder in (string[])["snapshot/0", "snapshot/1", "15"])
                SplitFileSystem.MakeLower(files, folder);
        });
    }

    static void SurvivesEverywhere(SimulatedFileSystem inner, SplitFileSystem files, Func<SimulatedFileSystem, SplitFileSystem> split, string layout, Action<SimulatedFileSystem> begin)
    {
        var before = new SampleRun(inner, layout);
        before.Save(SaveKind.Snapshot, 10);
        before.Save(SaveKind.Checkpoint, 15);
        before.Save(SaveKind.Snapshot, 20);
        begin(inner);
        int from = inner.Operations.Count;
        inner.Mark("20");
        var run = new SampleRun(files, layout);
        foreach (long step in (long[])[30, 40])
        {
            run.Save(SaveKind.Snapshot, step);
            inner.Mark(step.ToString(CultureInfo.InvariantCulture));
        }
        new RenamePublisher(files).Retire(15);
        inner.Mark("40");
        files.Refused.ShouldBePositive();
        foreach (CrashState state in RandomFaults.Some(inner.CrashStates(from)))
            Check(state, split(state.FileSystem), Promised(state), layout);
    }

    static long Promised(CrashState state) => state.Marks.Count == 0 ? 0 : long.Parse(state.Marks[^1], CultureInfo.InvariantCulture);

    static void Check(CrashState state, long promised, string layout, HashSet<UInt128> tried, string before = "")
    {
        // Cuts at different places leave the same files, and what happens then depends on the files alone.
        if (!tried.Add(Digest(state.FileSystem, promised)))
            return;
        Found(new SampleRun(state.FileSystem, layout)).ShouldBeGreaterThanOrEqualTo(promised, $"{before} / {state.Description}");
        Check(state, state.FileSystem, promised, layout, before);
    }

    // Where folders cannot be renamed, the newest copy may for a moment be in staging only, from where the next start takes it.
    static void Check(CrashState state, IFileSystem files, long promised, string layout, string before = "")
    {
        string story = $"{before} / {state.Description}";
        var run = new SampleRun(files, layout);
        new RenamePublisher(files).Recover();
        long found = Found(run);
        found.ShouldBeGreaterThanOrEqualTo(promised, story + ", after recovery");
        // The run goes on, in both tiers.
        run.Save(SaveKind.Snapshot, 1000);
        Found(run).ShouldBe(1000, story);
        run.Save(SaveKind.Checkpoint, 1001);
        Found(run).ShouldBe(1001, story);
    }

    static UInt128 Digest(SimulatedFileSystem files, long promised)
    {
        var hash = new XxHash128(promised);
        foreach ((string path, byte[] bytes) in files.AllFiles())
        {
            hash.Append(MemoryMarshal.AsBytes($"{path}\0{bytes.Length}\0".AsSpan()));
            hash.Append(bytes);
        }
        return hash.GetCurrentHashAsUInt128();
    }

    static long Found(SampleRun run)
    {
        ResumeChoice choice = run.Choose();
        return choice.Chosen?.Step ?? 0;
    }
}
