using Cairn;

namespace TinyLm.Tests;

/// <summary>Bit-exact resume needs every part: leave one out, and the continued run is another one.</summary>
[Collection(nameof(InThisProcess))]
public class AblationTests
{
    const int Before = 6, After = 6;
    static readonly string[] AllParts = ["model", "optimizer", "scheduler", "sampler", "scaler", "random", "context"];

    [Fact]
    public async Task Every_part_of_the_state_is_needed_and_all_of_them_suffice()
    {
        using var folder = new TemporaryFolder();
        string expected = await SaveAndGoOnAsync(folder.Run("whole"));
        (await ContinueAsync(folder, AllParts)).ShouldBe(expected);
        foreach (string left in AllParts)
        {
            string[] others = [.. AllParts.Where(part => part != left)];
            (await ContinueAsync(folder, others)).ShouldNotBe(expected, StringComparer.Ordinal, $"without {left}");
        }
    }

    static async Task<string> SaveAndGoOnAsync(string run)
    {
        using var training = new TrainingRun(new TinyLmOptions { TotalSteps = 100, Width = 64, BatchSize = 16 });
        await using (CheckpointManager checkpoints = await CheckpointManager.StartAsync(Options(run), training.Train, training.Parts))
        {
            Batches(training, Before);
            training.Parts.Select(part => part.Name).Append("context").Order(StringComparer.Ordinal).ShouldBe(AllParts.Order(StringComparer.Ordinal));
            checkpoints.Complete();
        }
        Batches(training, After);
        return training.Digest();
    }

    static async Task<string> ContinueAsync(TemporaryFolder folder, string[] parts)
    {
        // Another seed before the restore: nothing may come out right by chance.
        using var training = new TrainingRun(new TinyLmOptions { TotalSteps = 100, Width = 64, BatchSize = 16, Seed = 1 });
        TorchSharp.torch.manual_seed(77);
        CheckpointOptions options = Options(folder.Run(Guid.NewGuid().ToString("N")));
        options.ResumeFrom = folder.Run("whole");
        options.ResumeParts = [.. parts];
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, training.Train, training.Parts);
        checkpoints.Resume.Parts.Order(StringComparer.Ordinal).ShouldBe(parts.Order(StringComparer.Ordinal));
        Batches(training, After);
        return training.Digest();
    }

    static CheckpointOptions Options(string run) => new() { Folder = run, HandleSignals = false, Asynchronous = false };

    static void Batches(TrainingRun training, int count)
    {
        for (int i = 0; i < count; i++)
            training.Update(overflow: false);
    }
}
