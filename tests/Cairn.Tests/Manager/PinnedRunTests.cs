using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Manager;

/// <summary>Pins of a run that trains: retention, a full disk and a run that begins from it.</summary>
public sealed class PinnedRunTests : IDisposable
{
    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    CheckpointOptions Options(string folder) => new() { Folder = _folder[folder], CheckpointEvery = 2, SnapshotEvery = 0, KeepLast = 2, HandleSignals = false, Asynchronous = false };

    [Fact]
    public async Task Retention_leaves_what_somebody_needs_while_the_run_is_trained()
    {
        var training = new SampleTraining();
        CheckpointManager checkpoints = Start(Options("run"), training.Train, [training.Weights]);
        await using (checkpoints)
        {
            training.TrainTo(checkpoints, 4);
            CheckpointPin pin = CheckpointPins.Keep(_folder["run"], 2, "table 2");
            (pin.Kind, pin.Why, pin.ExpiresAt).ShouldBe((SaveKind.Checkpoint, "table 2", null));
            training.TrainTo(checkpoints, 10);
            Steps("run").ShouldBe([10, 8, 2]);
            CheckpointPins.Of(_folder["run"]).ShouldHaveSingleItem().ShouldBe(pin);
            CheckpointPins.Release(_folder["run"], 2).ShouldHaveSingleItem().ShouldBe(pin);
            training.TrainTo(checkpoints, 12);
            Steps("run").ShouldBe([12, 10]);
            Should.Throw<CheckpointException>(() => CheckpointPins.Keep(_folder["run"], 2)).Message.ShouldContain("no complete copy of step 2. Its steps: 12, 10");
        }
    }

    [Fact]
    public async Task A_run_that_begins_from_one_that_trains_keeps_its_copy_as_long_as_it_reads_it()
    {
        var training = new SampleTraining();
        CheckpointManager checkpoints = Start(Options("run"), training.Train, [training.Weights]);
        await using (checkpoints)
        {
            training.TrainTo(checkpoints, 4);
            CheckpointPin? during = null;
            var reader = new WatchingPart(() =>
            {
                during = CheckpointPins.Of(_folder["run"]).ShouldHaveSingleItem();
                // As much as retention may do meanwhile.
                training.TrainTo(checkpoints, 20);
            });
            CheckpointOptions options = Options("other");
            (options.ResumeFrom, options.ResumeParts) = (_folder["run"], ["model"]);
            await using (Start(options, new TrainState(), [reader]))
            {
                during!.Step.ShouldBe(4);
                during.Why!.ShouldContain("other begins from it");
                during.ExpiresAt.ShouldNotBeNull("a reader that is killed keeps nothing for ever");
                Steps("run").ShouldBe([20, 18, 4]);
                CheckpointPins.Of(_folder["run"]).ShouldBeEmpty("what is read is read");
            }
            training.TrainTo(checkpoints, 22);
            Steps("run").ShouldBe([22, 20]);
        }
    }

    [Fact]
    public async Task A_run_that_nobody_trains_is_only_read()
    {
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = Start(Options("run"), training.Train, [training.Weights]))
            training.TrainTo(checkpoints, 4);
        CheckpointOptions options = Options("other");
        (options.ResumeFrom, options.ResumeParts) = (_folder["run"], ["model"]);
        await using (Start(options, new TrainState(), [new WatchingPart(static () => { })]))
            Directory.Exists(Path.Join(_folder["run"], RunFolder.Pins)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_pin_for_a_time_is_held_until_it_is_disposed()
    {
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = Start(Options("run"), training.Train, [training.Weights]))
            training.TrainTo(checkpoints, 2);
        using (CheckpointPins.KeepWhile(_folder["run"], 2, "evaluation"))
            CheckpointPins.Of(_folder["run"]).ShouldHaveSingleItem().ExpiresAt.ShouldNotBeNull();
        CheckpointPins.Of(_folder["run"]).ShouldBeEmpty();
        Should.Throw<ArgumentOutOfRangeException>(() => CheckpointPins.Keep(_folder["run"], 2, null, TimeSpan.Zero));
        Should.Throw<CheckpointException>(() => CheckpointPins.Keep(_folder["nothing"], 2)).Message.ShouldContain("is not the folder of a run");
    }

    static CheckpointManager Start(CheckpointOptions options, TrainState train, IEnumerable<IStatePart> parts) =>
        CheckpointManager.Start(new LocalFileSystem(options.Folder), options, train, parts, NullLoggerFactory.Instance);

    IEnumerable<long> Steps(string run) => Catalog.Read(new LocalFileSystem(_folder[run])).Entries.Select(entry => entry.Step);

    sealed class WatchingPart(Action restored) : IStatePart
    {
        readonly WeightsPart _inner = new();

        public string Name => _inner.Name;
        public StateMap Capture() => _inner.Capture();
        public void Check(StateMap saved, RestoreProblems problems) => _inner.Check(saved, problems);

        public void Restore(StateMap saved)
        {
            restored();
            _inner.Restore(saved);
        }
    }
}
