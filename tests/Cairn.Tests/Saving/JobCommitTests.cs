using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Ranks;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

public class JobCommitTests
{
    [Fact]
    public void Ranks_that_wait_while_the_first_reads_a_whole_copy_to_make_room_hear_that_it_lives()
    {
        const int Large = 8 << 20;
        var files = new SimulatedFileSystem();
        foreach (long step in (long[])[1, 2])
            new CommitProtocol(files).Save(MarkerOf(step), CairnLayout.Plan([("model", State(Large))]), refuseNonFinite: false, TestContext.Current.CancellationToken);
        files.Capacity = files.AllFiles().Sum(file => (long)file.Value.Length) + (1 << 20);
        using var heard = new CountdownEvent(2);
        // The copy cannot be read to its end before the other rank has heard twice.
        var watched = new WatchedFileSystem(files, path =>
        {
            if (path.StartsWith("snapshot/", StringComparison.Ordinal) && path.EndsWith(".safetensors", StringComparison.Ordinal))
                heard.Wait(JobOfThreads.Patience).ShouldBeTrue();
        });
        var world = new World(1, 1, 2, 1);
        var job = new InProcessRanks(world.Size);
        TimeProvider clock = job.Clock;
        job.Run(transport =>
        {
            var group = new RankGroup(transport, world, clock: clock);
            var signs = new SignsOfLife("", clock);
            var slow = new TimedFileSystem(watched, signs);
            CommitProtocol.Result result = new JobCommit(new RenamePublisher(slow), () => signs.Silence).Save(
                group, MarkerOf(3), () => CairnLayout.Plan([new RankPart("random", PartScope.PerRank, State(8))], world, group.Rank), refuseNonFinite: false, TimeSpan.FromSeconds(2),
                () =>
                {
                    if (group.Rank == 1 && !heard.IsSet)
                        heard.Signal();
                });
            result.Notes.ShouldContain(note => note.Contains("given up", StringComparison.Ordinal));
        });
        Catalog.Read(files).Entries.Select(entry => entry.Step).ShouldBe([3, 2]);
    }

    private static Marker MarkerOf(long step) => new()
    {
        Step = step, Kind = SaveKind.Snapshot, Reason = SaveReason.Snapshot, Run = "run", Lineage = Lineage.New, Time = DateTimeOffset.UnixEpoch,
        Train = new StateMap { { "step_count", step } }, Files = [],
    };

    private static StateMap State(int bytes) => new() { { "w", new MemoryTensor(TensorType.U8, [bytes], new byte[bytes]) } };
}
