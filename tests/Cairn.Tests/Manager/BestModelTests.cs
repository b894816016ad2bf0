using Cairn.Opening;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>The best checkpoint's weights, given back to the model when training is over.</summary>
public sealed class BestModelTests
{
    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();

    [Fact]
    public void The_best_weights_are_given_back_at_the_end_in_place_and_nothing_wrong_is_saved_after()
    {
        var values = new Dictionary<long, float>();
        CheckpointManager checkpoints = SaveBestTests.Start(_training, new DiskHome(_files), SaveBestTests.Options(options => options.LoadBestModelAtEnd = true));
        SaveBestTests.Train(_training, checkpoints, 24, values);
        Should.Throw<InvalidOperationException>(() => checkpoints.LoadBestModel()).Message.ShouldContain("Complete first");
        RunSummary summary = checkpoints.Complete();
        summary.IsBestLoaded.ShouldBeTrue();
        _training.Weights.Value.ShouldBe(values[9]);
        _training.Train.Step.ShouldBe(24);
        using (var last = CheckpointReader.Open(_files, "24"))
            SaveBestTests.Weight(last.Load("model")).ShouldBe(values[24]);
        // The optimizer is at step 24: a mixture would be saved.
        _training.Batch();
        Should.Throw<InvalidOperationException>(() => checkpoints.AfterBatch()).Message.ShouldContain("best checkpoint, step 9");
        Record.Exception(() => checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult());
        SaveBestTests.Steps(_files).ShouldBe([24, 20, 9]);
    }

    [Fact]
    public void A_best_copy_that_was_damaged_changes_nothing_and_says_so()
    {
        CheckpointManager checkpoints = SaveBestTests.Start(_training, new DiskHome(_files), SaveBestTests.Options());
        SaveBestTests.Finish(_training, checkpoints, 24);
        float last = _training.Weights.Value;
        string model = "9/model_tp0_pp0.safetensors";
        byte[] bytes = [.. _files.AllFiles()[model]];
        bytes[^1] ^= 1;
        using (IWritableFile file = _files.OpenWrite(model, bytes.Length))
            file.Write(0, bytes);
        Should.Throw<CorruptCheckpointException>(() => checkpoints.LoadBestModel()).Step.ShouldBe(9);
        _training.Weights.Value.ShouldBe(last);
    }
}
