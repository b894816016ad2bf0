using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Ranks;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

public class CommitOfManyRanksTests
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
            SavedCopy result = new CommitProtocol(new RenamePublisher(slow), () => signs.Silence).Save(SaveOf(group, () =>
            {
                if (group.Rank == 1 && !heard.IsSet)
                    heard.Signal();
            }));
            result.Notes.ShouldContain(note => note.Contains("given up", StringComparison.Ordinal));
        });
        Catalog.Read(files).Entries.Select(entry => entry.Step).ShouldBe([3, 2]);
    }

    [Fact]
    public void A_place_that_is_ready_only_after_the_other_rank_has_ended_is_removed()
    {
        var files = new SimulatedFileSystem();
        using var ended = new ManualResetEventSlim();
        var world = new World(1, 1, 2, 1);
        var job = new InProcessRanks(world.Size);
        TimeProvider clock = job.Clock;
        job.Run(transport =>
        {
            var group = new RankGroup(transport, world, clock: clock);
            Should.Throw<Exception>(() => new CommitProtocol(new LatePublisher(new RenamePublisher(files), ended)).Save(SaveOf(group, () =>
            {
                ended.Set();
                throw new InvalidOperationException("This rank has ended.");
            })));
        });
        ended.IsSet.ShouldBeTrue();
        files.List(RunFolder.Staging).ShouldBeEmpty();
    }

    private sealed class LatePublisher(ICopyPublisher inner, ManualResetEventSlim late) : ICopyPublisher
    {
        public IFileSource Files => inner.Files;
        public void Recover() => inner.Recover();

        public string Prepare(Marker marker, long bytes, bool isShared, List<string> notes)
        {
            late.Wait(JobOfThreads.Patience).ShouldBeTrue();
            return inner.Prepare(marker, bytes, isShared, notes);
        }

        public IWritableFile Create(string place, string name, long length) => inner.Create(place, name, length);
        public void Settle(string place) => inner.Settle(place);
        public string FolderOf(string place, CatalogEntry copy) => inner.FolderOf(place, copy);
        public void Seal(string place, Marker marker) => inner.Seal(place, marker);
        public CatalogEntry Publish(string place, Marker marker, List<string> notes) => inner.Publish(place, marker, notes);
        public CatalogEntry TakeAsItIs(Marker marker, IUnmarkedCopy copy, List<string> notes) => inner.TakeAsItIs(marker, copy, notes);
        public void Discard(string place) => inner.Discard(place);
        public bool Retire(long step) => inner.Retire(step);
        public void RemoveAbandoned(string name) => inner.RemoveAbandoned(name);
        public bool Shrink(CatalogEntry entry, Marker smaller) => inner.Shrink(entry, smaller);
    }

    private static SaveInProgress SaveOf(RankGroup ranks, Action progressed) => new(
        ranks, MarkerOf(3), () => CairnLayout.Plan([new RankPart("random", PartScope.PerRank, State(8))], ranks.World, ranks.Rank), refuseNonFinite: false, TimeSpan.FromSeconds(2))
    {
        Progressed = progressed,
    };

    private static Marker MarkerOf(long step) => new()
    {
        Step = step, Kind = SaveKind.Snapshot, Reason = SaveReason.Snapshot, Run = "run", Lineage = Lineage.New, Time = DateTimeOffset.UnixEpoch,
        Train = new StateMap { { "step_count", step } }, Files = [],
    };

    private static StateMap State(int bytes) => new() { { "w", new MemoryTensor(TensorType.U8, [bytes], new byte[bytes]) } };
}
