using Cairn.Commit;
using Cairn.Storage;
using Cairn.Tests.Manager;

namespace Cairn.Tests.Resume;

/// <summary>The newest copy is not what it should be: the next good one is taken, and file and reason are named.</summary>
public class DamageTests
{
    const string Model = "20/model_tp0_pp0.safetensors";

    public static TheoryData<string, string, string> Damages => new()
    {
        { "a flipped bit", Model, "the file was altered" },
        { "a cut file", Model, "bytes instead of" },
        { "a missing file", "20/context.json", "the file is missing" },
        { "a missing marker", "20", "there is no marker" },
        { "an empty marker", "20/20.step", "is empty" },
        { "a flipped bit in the marker", "20/20.step", "cut or altered" },
        { "a folder in place of a file", Model, "the file is missing" },
    };

    [Theory, MemberData(nameof(Damages))]
    public async Task A_damaged_newest_copy_is_passed_over_and_never_wins_again(string damage, string path, string reason)
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder, 10, 20);
        byte[] good = Hurt(folder, damage);

        await using (CheckpointManager resumed = new SampleTraining().Start(new LocalFileSystem(folder.Path), Options(folder)))
        {
            resumed.Resume.Step.ShouldBe(10);
            CheckpointFault fault = resumed.Resume.PassedOver.ShouldHaveSingleItem();
            fault.Path.ShouldBe(path);
            fault.Reason.ShouldContain(reason);
            resumed.Resume.Branch.Id.ShouldBe(1);
            (await File.ReadAllTextAsync(folder["journal.jsonl"], TestContext.Current.CancellationToken)).ShouldContain("passed_over");
        }
        Heal(folder, damage, good);
        // Whole again, it still belongs to a line that was left.
        await TrainAsync(folder, 12);
        await using CheckpointManager later = new SampleTraining().Start(new LocalFileSystem(folder.Path), Options(folder));
        later.Resume.Step.ShouldBe(12);
        // And what stood in the way of the new step 20 is kept.
        await later.DisposeAsync();
        await TrainAsync(folder, 20);
        File.Exists(folder["abandoned/20/model_tp0_pp0.safetensors"]).ShouldBeTrue();
    }

    [Fact]
    public async Task When_nothing_is_good_it_does_not_silently_start_from_scratch()
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder, 20);
        Hurt(folder, "a flipped bit");
        Should.Throw<CorruptCheckpointException>(() => new SampleTraining().Start(new LocalFileSystem(folder.Path), Options(folder))).Message.ShouldContain("set AutoResume to false");
        CheckpointOptions afresh = Options(folder);
        afresh.AutoResume = false;
        await using CheckpointManager fresh = new SampleTraining().Start(new LocalFileSystem(folder.Path), afresh);
        fresh.Resume.IsFresh.ShouldBeTrue();
    }

    [Theory, InlineData("{"), InlineData(""), InlineData("""{"format":1,"run":"x","created":"2026-01-01T00:00:00Z","branch":5,"branches":[]}""")]
    public async Task A_damaged_run_record_is_rebuilt_from_the_markers(string text)
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder, 10, 20);
        await File.WriteAllTextAsync(folder["run.json"], text, TestContext.Current.CancellationToken);
        await using CheckpointManager resumed = new SampleTraining().Start(new LocalFileSystem(folder.Path), Options(folder));
        resumed.Resume.Step.ShouldBe(20);
    }

    static CheckpointOptions Options(TemporaryFolder folder) =>
        new() { Folder = folder.Path, CheckpointEvery = 1000, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    static async Task TrainAsync(TemporaryFolder folder, params long[] saveAt)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(new LocalFileSystem(folder.Path), Options(folder));
        foreach (long step in saveAt)
        {
            while (training.Train.Step < step)
                training.Batch();
            checkpoints.RequestSave();
            checkpoints.AfterBatch();
        }
    }

    static byte[] Hurt(TemporaryFolder folder, string damage)
    {
        string path = folder[damage.Contains("marker", StringComparison.Ordinal) ? "20/20.step" : damage == "a missing file" ? "20/context.json" : Model];
        byte[] good = File.ReadAllBytes(path);
        byte[] bad = [.. good];
        bad[^20] ^= 4;
        switch (damage)
        {
            case "a flipped bit" or "a flipped bit in the marker": File.WriteAllBytes(path, bad); break;
            case "a cut file": File.WriteAllBytes(path, good[..^1]); break;
            case "an empty marker": File.WriteAllBytes(path, []); break;
            case "a folder in place of a file":
                File.Delete(path);
                Directory.CreateDirectory(path);
                break;
            default: File.Delete(path); break;
        }
        return good;
    }

    static void Heal(TemporaryFolder folder, string damage, byte[] good)
    {
        string path = folder[damage.Contains("marker", StringComparison.Ordinal) ? "20/20.step" : damage == "a missing file" ? "20/context.json" : Model];
        if (Directory.Exists(path))
            Directory.Delete(path);
        File.WriteAllBytes(path, good);
    }
}
