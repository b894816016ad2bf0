using Cairn.Checkpoints;
using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.Ranks;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Options;

namespace Cairn.Tests.Manager.Job;

/// <summary>The start of a job: what one rank cannot do, all hear of at once. A rank that waited for its time-out would be seen to hang.</summary>
public sealed class JobStartTests : IDisposable
{
    private static readonly World Two = new(1, 1, 2, 1);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Weights_of_InternLM_without_a_marker_are_taken_by_all_ranks()
    {
        float saved = await WeightsAsync();
        var values = new float[2];
        new JobOfThreads(new LocalFileSystem(_folder["own"])).Run(Two, rank =>
        {
            var weights = new WeightsPart();
            using var started = new Started(CheckpointManager.Start(rank.Files, FromWeights(), new TrainState(), [weights], ranks: rank.Group, cancellationToken: TestContext.Current.CancellationToken));
            values[rank.Rank] = weights.Value;
        });
        values.ShouldBe([saved, saved]);
    }

    [Fact]
    public async Task Weights_that_are_damaged_are_refused_on_all_ranks_at_once()
    {
        await WeightsAsync();
        string file = Path.Join(_folder["weights"], "model_tp0_pp0.pt");
        byte[] bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, bytes[..^100], TestContext.Current.CancellationToken);
        var job = new JobOfThreads(new LocalFileSystem(_folder["own"]));
        job.Run(Two, rank => CheckpointManager.Start(rank.Files, FromWeights(), new TrainState(), [new WeightsPart()], ranks: rank.Group, cancellationToken: TestContext.Current.CancellationToken), mayFail: true);
        job.Errors.ShouldAllBe(error => error is CheckpointException && !(error is RankTimeoutException));
    }

    [Fact]
    public void A_copy_that_one_rank_cannot_see_is_refused_on_all_ranks_at_once()
    {
        var shared = new SimulatedFileSystem();
        new JobOfThreads(shared).Run(Two, rank => rank.Train(rank.Start(Options(_folder["own"])), 10));
        var job = new JobOfThreads(shared);
        job.Run(Two, rank => rank.Start(Options(_folder["own"]), rank.Rank == 1 ? new SimulatedFileSystem() : null), mayFail: true);
        job.Errors.ShouldAllBe(error => error is CheckpointException && !(error is RankTimeoutException));
    }

    [Fact]
    public void Options_or_parts_that_are_refused_on_one_rank_end_the_start_of_all_at_once()
    {
        var job = new JobOfThreads(new LocalFileSystem(_folder["own"]));
        job.Run(Two, rank =>
        {
            CheckpointOptions options = Options(rank.Rank == 1 ? "" : _folder["own"]);
            CheckpointManager.StartAsync(options, rank.Training.Train, rank.Training.Parts, ranks: rank.Group, cancellationToken: TestContext.Current.CancellationToken).GetAwaiter().GetResult();
        }, mayFail: true);
        job.Errors[1].ShouldBeOfType<OptionsValidationException>();
        job.Errors[0].ShouldBeOfType<RankFailedException>().Rank.ShouldBe(1);

        job.Run(Two, rank => CheckpointManager.Start(
            rank.Files, Options(_folder["own"]), rank.Training.Train, rank.Rank == 0 ? [.. rank.Training.Parts, rank.Training.Model] : rank.Training.Parts, ranks: rank.Group,
            cancellationToken: TestContext.Current.CancellationToken), mayFail: true);
        job.Errors[0].ShouldBeOfType<ArgumentException>();
        job.Errors[1].ShouldBeOfType<RankFailedException>().Rank.ShouldBe(0);
    }

    [Theory, InlineData("model.pt"), InlineData("model.safetensors")]
    public void Weights_that_another_program_saved_are_begun_with_by_every_rank_and_only_by_name(string name)
    {
        // One rank has the whole, and another program might have saved it.
        var whole = new RankTraining(World.Single, 0);
        whole.Batch();
        StateMap model = new() { ["up"] = ((StateTensor)whole.Model.Capture()["up"]), ["down"] = ((StateTensor)whole.Model.Capture()["down"]), ["bias"] = ((StateTensor)whole.Model.Capture()["bias"]) };
        using (FileStream file = File.Create(_folder[name]))
        {
            if (name.EndsWith(".pt", StringComparison.Ordinal))
                TorchFileWriter.Plan(new TorchMap { ["model"] = TorchTree.FromState(model), ["step"] = 7 }, "archive").WriteTo((bytes, _, _) => file.Write(bytes));
            else
                SafetensorsWriter.Plan(model.Select(tensor => KeyValuePair.Create(tensor.Key, (StateTensor)tensor.Value)), new Dictionary<string, string>(StringComparer.Ordinal)).WriteTo((bytes, _, _) => file.Write(bytes));
        }
        CheckpointOptions options = Options(_folder["own"]);
        options.ResumeFrom = _folder[name];
        var job = new JobOfThreads(new SimulatedFileSystem());
        job.Run(JobTests.Four, rank => CheckpointManager.Start(rank.Files, options, rank.Training.Train, rank.Training.Parts, ranks: rank.Group, cancellationToken: TestContext.Current.CancellationToken), mayFail: true);
        job.Errors.ShouldAllBe(error => error is CheckpointException);
        job.Errors[0]!.Message.ShouldContain("ResumeParts");
        options.ResumeParts = ["model"];
        new JobOfThreads(new SimulatedFileSystem()).Run(JobTests.Four, rank =>
        {
            using var started = new Started(CheckpointManager.Start(rank.Files, options, rank.Training.Train, rank.Training.Parts, ranks: rank.Group, cancellationToken: TestContext.Current.CancellationToken));
            var expected = new RankTraining(JobTests.Four, rank.Rank);
            expected.Batch();
            foreach ((ShardPart.Cut own, ShardPart.Cut other) in rank.Training.Model.Cuts.Zip(expected.Model.Cuts))
                own.Values.ShouldBe(other.Values, own.Name);
            rank.Training.Train.Step.ShouldBe(0, "its counters are not ours");
        });
    }

    private CheckpointOptions FromWeights()
    {
        CheckpointOptions options = Options(_folder["own"]);
        (options.ResumeFrom, options.ResumeParts) = (_folder["weights"], ["model"]);
        return options;
    }

    private static CheckpointOptions Options(string folder) => new() { Folder = folder, CheckpointEvery = 10, Asynchronous = false, HandleSignals = false };

    // What InternLM hands on: the model's file alone.
    private async Task<float> WeightsAsync()
    {
        CheckpointOptions options = Options(_folder["first"]);
        options.Layout = "internlm";
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = training.Start(new LocalFileSystem(_folder["first"]), options))
        {
            training.Batch();
            checkpoints.AfterBatch();
            checkpoints.Complete();
        }
        Directory.CreateDirectory(_folder["weights"]);
        File.Copy(Path.Join(_folder["first/1"], "model_tp0_pp0.pt"), Path.Join(_folder["weights"], "model_tp0_pp0.pt"));
        return training.Weights.Value;
    }

    private sealed class Started(CheckpointManager checkpoints) : IDisposable
    {
        public void Dispose() => checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }
}
