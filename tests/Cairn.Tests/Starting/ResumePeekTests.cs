using Cairn.Checkpoints;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.State;
using Cairn.Tests.Manager;
using Cairn.Tests.Ranks;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Starting;

/// <summary>What a start would resume from, before it does.</summary>
public sealed class ResumePeekTests
{
    readonly SimulatedFileSystem _files = new();

    static CheckpointOptions Options => new() { Folder = "run", CheckpointEvery = 10, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    [Fact]
    public void It_says_what_the_start_then_does_and_changes_nothing()
    {
        Peek(Options).IsFresh.ShouldBeTrue();
        _files.AllFiles().ShouldBeEmpty();
        var training = new SampleTraining();
        CheckpointManager checkpoints = training.Start(_files, Options);
        Train(training, checkpoints, 25);
        checkpoints.Complete();
        int before = _files.Operations.Count;
        ResumePreview preview = Peek(Options);
        (preview.Step, preview.Source, preview.Train.Metrics["m"], preview.Train.ConsumedSamples).ShouldBe((25, "25", 25.0, 100L));
        // A damaged one is passed over, as by the start.
        Damage("25/model_tp0_pp0.safetensors");
        before++;
        preview = Peek(Options);
        (preview.Step, preview.PassedOver.Count).ShouldBe((20, 1));
        _files.Operations.Count.ShouldBeLessThanOrEqualTo(before + 1);
        training.Start(_files, Options).Resume.Step.ShouldBe(20);
        CheckpointOptions back = Options;
        (back.ResumeFrom, back.Branch, back.ResumeParts) = ("10", "b", ["model"]);
        (Peek(back).Step, Peek(back).Source).ShouldBe((0, "10"));
    }

    [Fact]
    public void A_finished_run_is_finished_in_the_preview_and_all_ranks_hear_of_it()
    {
        var training = new SampleTraining();
        CheckpointManager checkpoints = training.Start(_files, Options);
        Train(training, checkpoints, 7);
        training.Train.Finish("enough");
        checkpoints.Complete();
        Peek(Options).Train.FinishedBecause.ShouldBe("enough");
        var mail = new InProcessRanks(2);
        mail.RunThreads(rank => ResumePeek.Look(
            new DiskHome(_files), Options, new RankGroup(mail.Transport(rank), new World(1, 1, 2, 1), clock: mail.Clock), TimeProvider.System, TestContext.Current.CancellationToken).Step.ShouldBe(7));
    }

    [Fact]
    public void A_new_head_takes_its_own_values_and_the_rest_is_as_saved()
    {
        var old = new NamedParts { ["body.w"] = [1, 2], ["head.w"] = [3], ["head.old"] = [4] };
        CheckpointManager first = Start(Options, old);
        first.Train.CompleteStep();
        first.Complete();
        NamedParts Fresh() => new() { ["body.w"] = [0, 0], ["head.w"] = [7, 7], ["head.new"] = [8] };
        CheckpointOptions options = Options;
        (options.ResumeFrom, options.Branch, options.ResumeParts) = ("1", "fine", ["model"]);
        var strict = Fresh();
        Should.Throw<StateMismatchException>(() => Start(options, strict)).Message.ShouldContain("ResumeAllowMissing");
        strict["body.w"].ShouldBe([0, 0]);
        (options.ResumeAllowMissing, options.ResumeAllowUnexpected) = (["head.*"], ["head.o?d"]);
        NamedParts model = Fresh();
        CheckpointManager fine = Start(options, model);
        fine.Resume.KeptAsBuilt.ShouldBe(["model/head.w", "model/head.new"]);
        fine.Resume.NotTaken.ShouldBe(["model/head.old"]);
        new[] { model["body.w"][1], model["head.w"][0], model["head.new"][0] }.ShouldBe(new byte[] { 2, 7, 8 });
        fine.Train.CompleteStep();
        model["head.new"] = [9];
        fine.Complete();
        // The same command again: from its own copy, all of it, and strictly.
        NamedParts again = Fresh();
        CheckpointManager restarted = Start(options, again);
        restarted.Resume.KeptAsBuilt.ShouldBeEmpty();
        again["head.new"].ShouldBe(new byte[] { 9 });
        Should.Throw<StateMismatchException>(() => Start(options, new NamedParts { ["body.w"] = [0, 0], ["head.w"] = [7, 7] }));
    }

    ResumePreview Peek(CheckpointOptions options) => ResumePeek.Look(new DiskHome(_files), options, RankGroup.Single, TimeProvider.System, TestContext.Current.CancellationToken);

    CheckpointManager Start(CheckpointOptions options, IStatePart part) => CheckpointManager.Start(_files, options, new TrainState(), [part], NullLoggerFactory.Instance);

    void Damage(string path)
    {
        byte[] bytes = [.. _files.AllFiles()[path]];
        bytes[^1] ^= 1;
        using Cairn.Stores.IWritableFile file = _files.OpenWrite(path, bytes.Length);
        file.Write(0, bytes);
    }

    static void Train(SampleTraining training, CheckpointManager checkpoints, long until)
    {
        while (training.Train.Step < until)
        {
            training.Batch();
            training.Train.Metrics["m"] = training.Train.Step;
            checkpoints.AfterBatch();
        }
    }

    sealed class NamedParts : Dictionary<string, byte[]>, IStatePart
    {
        public string Name => "model";

        public StateMap Capture()
        {
            StateMap state = new();
            foreach ((string name, byte[] values) in this)
                state.Add(name, new MemoryTensor(TensorType.U8, [values.Length], values));
            return state;
        }

        public void Check(StateMap saved, RestoreProblems problems)
        {
            foreach ((string name, byte[] values) in this)
            {
                if (!saved.TryGetValue(name, out StateNode? node))
                    problems.AddMissing(name);
                else if (((StateTensor)node).ByteLength != values.Length)
                    problems.AddMismatched(name, $"{values.Length}", $"{((StateTensor)node).ByteLength}");
            }
            foreach (string name in saved.Keys.Where(name => !ContainsKey(name)))
                problems.AddUnexpected(name);
        }

        public void Restore(StateMap saved)
        {
            foreach ((string name, byte[] values) in this)
                ((StateTensor)saved[name]).CopyTo(0, values);
        }
    }
}
