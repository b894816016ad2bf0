using System.Diagnostics;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>Reading a run while it is trained: what is read belongs to one copy, and nobody's bytes change.</summary>
public sealed class LiveRunTests : IDisposable
{
    readonly TemporaryFolder _folder = new();
    readonly LocalFileSystem _files;
    long _step;

    public LiveRunTests() => _files = new LocalFileSystem(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("cairn")]
    [InlineData("internlm")]
    public void An_open_copy_keeps_its_values_while_newer_snapshots_are_made(string layout)
    {
        Save(2, layout);
        using LoadedCheckpoint opened = CheckpointReader.Open(_folder["snapshot/0"]);
        long step = opened.Source!.Step!.Value;
        Save(6, layout);
        ValuesOf(opened).ShouldBe([step, step]);
    }

    [Theory]
    [InlineData("cairn")]
    [InlineData("internlm")]
    public void A_hard_linked_backup_of_the_snapshots_stays_good(string layout)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs cp -al.");
        Save(4, layout);
        Process.Start("cp", ["-al", _folder["snapshot"], _folder["backup"]]).WaitForExit();
        Save(6, layout);
        foreach (string slot in (string[])["0", "1"])
        {
            CatalogEntry entry = Catalog.Snapshot(_files, $"backup/{slot}");
            entry.Step.ShouldBeInRange(3, 4);
            Verifier.Verify(_files, entry, TestContext.Current.CancellationToken).ShouldBeNull();
            using LoadedCheckpoint opened = CheckpointReader.Open(_files, $"backup/{slot}");
            ValuesOf(opened).ShouldBe([entry.Step, entry.Step]);
        }
    }

    [Theory]
    [InlineData("cairn", false)]
    [InlineData("cairn", true)]
    [InlineData("internlm", false)]
    [InlineData("internlm", true)]
    public void A_reader_gets_one_copy_whenever_the_run_replaces_it(string layout, bool hidesIdentity)
    {
        // Two snapshots are made before the n-th look at the store; then no look is left at which that could happen.
        for (int at = 0, looks = int.MaxValue; at < looks; at++)
        {
            Save(2, layout);
            int look = 0;
            var watched = new WatchedFileSystem(_files, _ =>
            {
                if (look++ == at)
                    Save(2, layout);
            })
            { HidesIdentity = hidesIdentity };
            using LoadedCheckpoint opened = CheckpointReader.Open(watched, "snapshot/0");
            long step = opened.Source!.Step!.Value;
            ValuesOf(opened).ShouldBe([step, step], $"after look {at}");
            looks = look;
        }
    }

    [Fact]
    public void The_files_of_a_replaced_snapshot_that_nobody_reads_are_used_again()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux can tell.");
        Save(3);
        HashSet<ulong> before = Inodes();
        Save(3);
        // Three sets of files take turns: two slots and the staging folder. Markers are new each time.
        Inodes().Intersect(before).Count().ShouldBeGreaterThanOrEqualTo(3);

        HashSet<ulong> Inodes() => [.. Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories).Select(file => FileStatus.At(file)!.Value.Inode)];
    }

    [Fact]
    public void A_copy_that_is_replaced_while_it_is_verified_is_not_called_bad()
    {
        for (int at = 0, looks = int.MaxValue; at < looks; at++)
        {
            Save(2);
            int look = 0;
            var watched = new WatchedFileSystem(_files, _ =>
            {
                if (look++ == at)
                    Save(2);
            });
            foreach (CatalogEntry entry in Catalog.Read(watched).Entries)
            {
                CheckpointFault? fault = entry.Fault ?? Verifier.Verify(watched, entry, TestContext.Current.CancellationToken);
                (fault is null or { IsTransient: true }).ShouldBeTrue($"after look {at}: {fault}");
            }
            looks = look;
        }
    }

    [Fact]
    public void A_checkpoint_that_retention_removes_while_it_is_read_is_not_called_bad()
    {
        for (int at = 0, looks = int.MaxValue; at < looks; at++)
        {
            long step = ++_step;
            new SampleRun(_files).Save(SaveKind.Checkpoint, step);
            int look = 0;
            var watched = new WatchedFileSystem(_files, _ =>
            {
                if (look++ == at)
                    new RenamePublisher(_files).Retire(step);
            });
            CatalogEntry entry = CatalogEntry.At(watched, RunFolder.Checkpoint(step), SaveKind.Checkpoint, step);
            CheckpointFault? fault = entry.Fault ?? Verifier.Verify(watched, entry, TestContext.Current.CancellationToken);
            (fault is null or { IsTransient: true }).ShouldBeTrue($"after look {at}: {fault}");
            looks = look;
        }
    }

    [Fact]
    public void A_run_that_changes_at_every_look_is_said_to_change()
    {
        Save(2);
        var watched = new WatchedFileSystem(_files, path =>
        {
            if (path.EndsWith(".step", StringComparison.Ordinal))
                Save(2);
        });
        CopyChangedException thrown = Should.Throw<CopyChangedException>(() => CheckpointReader.Open(watched, "snapshot/0"));
        thrown.IsTransient.ShouldBeTrue();
        thrown.Message.ShouldContain("changed while it was read");
    }

    [Fact]
    public void A_run_whose_copies_are_all_replaced_at_every_look_is_said_to_change_and_not_to_be_empty()
    {
        Save(2);
        var watched = new WatchedFileSystem(_files, path =>
        {
            if (path.EndsWith(".step", StringComparison.Ordinal))
                Save(2);
        });
        Should.Throw<CopyChangedException>(() => CheckpointReader.Open(watched, "")).Message.ShouldContain("changed while it was read");
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void Slots_that_show_no_marker_while_they_are_replaced_are_looked_at_again(int times)
    {
        Save(2);
        using LoadedCheckpoint opened = CheckpointReader.Open(new HalfListed(_files, times), "");
        opened.Source!.Step.ShouldBe(_step);
    }

    // As a folder that is emptied while it is listed.
    sealed class HalfListed(IFileSystem inner, int times) : ForwardingFileSystem(inner)
    {
        readonly Dictionary<string, int> _seen = [];

        public override IReadOnlyList<FileSystemEntry> List(string folder)
        {
            int seen = _seen[folder] = _seen.GetValueOrDefault(folder) + 1;
            return [.. Inner.List(folder).Where(entry => !entry.Name.EndsWith(".step", StringComparison.Ordinal) || seen > times)];
        }
    }

    [Fact]
    public async Task Readers_of_a_run_in_training_never_see_two_steps_in_one_copy()
    {
        Save(2);
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                Save(1);
        }, TestContext.Current.CancellationToken);
        try
        {
            for (int seen = 0; seen < 60; seen++)
            {
                try
                {
                    using LoadedCheckpoint opened = CheckpointReader.Open(_folder.Path);
                    long step = opened.Source!.Step!.Value;
                    ValuesOf(opened).ShouldBe([step, step]);
                }
                catch (CopyChangedException)
                {
                    // Honest: this disk makes snapshots faster than anybody reads.
                }
            }
        }
        finally
        {
            await stop.CancelAsync();
            await writing;
        }
    }

    [Fact]
    public async Task A_run_that_begins_from_a_run_in_training_gets_one_step_in_all_parts()
    {
        Save(2);
        using var own = new TemporaryFolder();
        var options = new CheckpointOptions
        {
            Folder = own.Path, CheckpointEvery = 100, Asynchronous = false, HandleSignals = false, ResumeFrom = _folder.Path, ResumeParts = ["one", "two"],
        };
        StepPart[] parts = [new("one", () => Save(4)), new("two", () => Save(4))];
        await using CheckpointManager checkpoints = CheckpointManager.Start(new LocalFileSystem(own.Path), options, new TrainState(), parts, cancellationToken: TestContext.Current.CancellationToken);
        parts[0].Value.ShouldBe(parts[1].Value);
        checkpoints.Resume.Source.ShouldNotBeNull();
    }

    void Save(int count, string layout = CheckpointLayouts.Default)
    {
        for (int i = 0; i < count; i++)
        {
            long step = Interlocked.Increment(ref _step);
            var marker = new Marker
            {
                Step = step, Kind = SaveKind.Snapshot, Reason = SaveReason.Snapshot, Run = "run", Lineage = Lineage.New, Time = DateTimeOffset.UnixEpoch,
                Train = new StateMap { { "step_count", step } }, Layout = layout, Files = [],
            };
            new CommitProtocol(_files).Save(marker, CheckpointLayouts.Of(layout).Plan(step, [("one", State(step)), ("two", State(step)), ("context", new StateMap { { "step", step } })]), refuseNonFinite: false);
        }
    }

    // The number is read when the part is loaded, the tensor when it is asked for.
    static StateMap State(long step) => new() { { "step", step }, { "w", new MemoryTensor(TensorType.I64, [1], BitConverter.GetBytes(step)) } };

    static long[] ValuesOf(LoadedCheckpoint opened) => [.. ((string[])["one", "two"]).Select(part => Value(opened.Load(part)))];

    static long Value(StateMap state)
    {
        Span<byte> bytes = stackalloc byte[8];
        ((StateTensor)state["w"]).CopyTo(0, bytes);
        long value = BitConverter.ToInt64(bytes);
        value.ShouldBe(((StateScalar)state["step"]).Value);
        return value;
    }

    sealed class StepPart(string name, Action compared) : IStatePart
    {
        public string Name => name;
        public long Value { get; private set; } = -1;
        public StateMap Capture() => State(Value);
        public void Check(StateMap saved, RestoreProblems problems) => compared();
        public void Restore(StateMap saved) => Value = LiveRunTests.Value(saved);
    }
}
