using Cairn.Opening;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>The store refuses at any one operation of a save: training goes on, earlier copies stand, the next save succeeds.</summary>
public class FaultTests
{
    [Theory]
    [InlineData(true, true, "cairn"), InlineData(true, false, "cairn"), InlineData(false, true, "cairn"), InlineData(false, false, "cairn")]
    [InlineData(true, true, "internlm"), InlineData(false, false, "internlm")]
    public async Task A_fault_at_any_operation_of_a_save_costs_that_save_and_nothing_else(bool snapshot, bool asynchronous, string layout)
    {
        bool reached = true;
        for (int fault = 0; reached; fault++)
        {
            var inner = new SimulatedFileSystem();
            var breakable = new BreakableFileSystem(inner);
            var training = new SampleTraining();
            var options = new CheckpointOptions
            {
                Folder = "run",
                Layout = layout,
                CheckpointEvery = snapshot ? null : 10,
                SnapshotEvery = snapshot ? 10 : 0,
                Asynchronous = asynchronous,
                HandleSignals = false,
            };
            await using CheckpointManager checkpoints = training.Start(breakable, options);
            var reports = new List<SaveReport>();
            checkpoints.SaveEnded += (_, report) => reports.Add(report);
            Train(training, checkpoints, 20);
            int faultAt = fault;
            breakable.BreakAt(faultAt);
            Train(training, checkpoints, 30);
            reached = breakable.Broke;
            breakable.Mend();
            string story = $"fault {faultAt} of {breakable.Story}";

            if (reached && reports[^1].Outcome == SaveOutcome.Failed)
            {
                reports[^1].Error.ShouldBeAssignableTo<IOException>(story);
                Found(inner).ShouldBeGreaterThanOrEqualTo(20, story);
            }
            Train(training, checkpoints, 40);
            reports[^1].Outcome.ShouldBe(SaveOutcome.Saved, story);
            reports[^1].Step.ShouldBe(40, story);
            Found(inner).ShouldBe(40, story);
            reports.Where(report => report.Outcome == SaveOutcome.Saved).Select(report => (report.Kind, report.Step)).ShouldBeUnique();
        }
    }

    [Fact]
    public async Task When_asked_a_failed_save_ends_training()
    {
        var breakable = new BreakableFileSystem(new SimulatedFileSystem());
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(breakable, new CheckpointOptions { Folder = "run", CheckpointEvery = 10, SnapshotEvery = 0, Asynchronous = false, FailOnError = true, HandleSignals = false });
        Train(training, checkpoints, 9);
        breakable.BreakAt(0);
        training.Batch();
        Should.Throw<CheckpointException>(() => checkpoints.AfterBatch()).Step.ShouldBe(10);
    }

    [Fact]
    public async Task A_final_checkpoint_that_fails_is_said_loudly_and_can_be_tried_again()
    {
        var files = new SimulatedFileSystem();
        var breakable = new BreakableFileSystem(files);
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(breakable, new CheckpointOptions { Folder = "run", CheckpointEvery = 10, HandleSignals = false });
        Train(training, checkpoints, 13);
        breakable.BreakAt(2);
        Should.Throw<CheckpointException>(checkpoints.Complete).Message.ShouldContain("final checkpoint of step 13");
        breakable.Mend();
        checkpoints.Complete().FinalCheckpoint.ShouldBe("13");
        Found(files).ShouldBe(13);
    }

    static void Train(SampleTraining training, CheckpointManager checkpoints, long until)
    {
        while (training.Train.Step < until)
        {
            training.Batch();
            checkpoints.AfterBatch().ShouldBeTrue();
            // No snapshot is dropped here; and the next call hears of a save in the background.
            checkpoints.WaitForSave();
        }
        training.Train.SkipBatch("test");
        checkpoints.AfterBatch().ShouldBeTrue();
    }

    static long Found(SimulatedFileSystem files)
    {
        RunRecord run = RunRecord.Load(files)!;
        return Cairn.Opening.ResumeLadder.Choose(files, Catalog.Read(files), run, verifyHashes: true).Chosen!.Step;
    }
}

/// <summary>Works until it is told to break, then every change from the chosen one on fails, as on a full disk or a lost mount.</summary>
internal sealed class BreakableFileSystem(IFileSystem inner) : ForwardingFileSystem(inner)
{
    int _left = int.MaxValue;
    readonly List<string> _story = [];

    public bool Broke { get; private set; }
    public string Story => string.Join(", ", _story);

    public void BreakAt(int change) => (_left, Broke) = (change, false);
    public void Mend() => _left = int.MaxValue;

    public override void CreateFolder(string path) => Do($"create {path}", () => Inner.CreateFolder(path));
    public override void SyncFolder(string path) => Do($"sync {path}", () => Inner.SyncFolder(path));
    public override void Move(string from, string to) => Do($"move {from} {to}", () => Inner.Move(from, to));
    public override void Exchange(string first, string second) => Do($"exchange {first} {second}", () => Inner.Exchange(first, second));
    public override void DeleteFile(string path) => Do($"delete {path}", () => Inner.DeleteFile(path));
    public override void DeleteFolder(string path) => Do($"delete {path}", () => Inner.DeleteFolder(path));
    public override void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        byte[] copy = bytes.ToArray();
        if (_left == int.MaxValue)
            Inner.Append(path, copy, durable);
    }

    public override IWritableFile OpenWrite(string path, long length)
    {
        if (path.StartsWith("progress", StringComparison.Ordinal))
            return Inner.OpenWrite(path, length);
        IWritableFile? file = null;
        Do($"open {path}", () => file = Inner.OpenWrite(path, length));
        return new Writable(this, path, file!);
    }

    void Do(string what, Action change)
    {
        if (what.Contains("progress", StringComparison.Ordinal))
        {
            change();
            return;
        }
        lock (_story)
            _story.Add(what);
        if (_left != int.MaxValue && _left-- <= 0)
        {
            Broke = true;
            _left = 0;
            throw new IOException($"No space left on device (injected at: {what})");
        }
        change();
    }

    sealed class Writable(BreakableFileSystem owner, string path, IWritableFile file) : IWritableFile
    {
        public void Write(long offset, ReadOnlySpan<byte> block)
        {
            byte[] copy = block.ToArray();
            owner.Do($"write {path}", () => file.Write(offset, copy));
        }

        public void Sync() => owner.Do($"fsync {path}", file.Sync);
        public void Dispose() => file.Dispose();
    }
}
