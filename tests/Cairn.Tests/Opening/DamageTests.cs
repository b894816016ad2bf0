using Cairn.Checkpoints;
using Cairn.Stores;
using Cairn.Tests.Manager;

namespace Cairn.Tests.Opening;

/// <summary>The newest copy is not what it should be: the next good one is taken, and file and reason are named.</summary>
public class DamageTests
{
    const string Model = "20/model_tp0_pp0.safetensors", Marker = "20/20.step";
    // In this layout the marker is cairn.json, and 20.step one of its files.
    const string InternLmModel = "20/model_tp0_pp0.pt", Manifest = "20/cairn.json";

    public static TheoryData<string, string, string, string, string> Damages => new()
    {
        { "cairn", "a flipped bit", Model, Model, "the file was altered" },
        { "cairn", "a cut file", Model, Model, "bytes instead of" },
        { "cairn", "a missing file", "20/context.json", "20/context.json", "the file is missing" },
        { "cairn", "a missing file", Marker, "20", "there is no marker" },
        { "cairn", "an empty file", Marker, Marker, "is empty" },
        { "cairn", "a flipped bit", Marker, Marker, "cut or altered" },
        { "cairn", "a folder in place of a file", Model, Model, "the file is missing" },
        { "internlm", "a flipped bit", InternLmModel, InternLmModel, "the file was altered" },
        { "internlm", "a cut file", InternLmModel, InternLmModel, "bytes instead of" },
        { "internlm", "a missing file", "20/context.pt", "20/context.pt", "the file is missing" },
        { "internlm", "a missing file", Manifest, "20", "there is no cairn.json, and Cairn saved it" },
        { "internlm", "an empty file", Manifest, Manifest, "is empty" },
        { "internlm", "a flipped bit", Manifest, Manifest, "cut or altered" },
        { "internlm", "a flipped bit", "20/20.step", "20/20.step", "the file was altered" },
        { "internlm", "a missing file", "20/20.step", "20", "there is no marker" },
    };

    [Theory, MemberData(nameof(Damages))]
    public async Task A_damaged_newest_copy_is_passed_over_and_never_wins_again(string layout, string damage, string path, string faultPath, string reason)
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder, layout, 10, 20);
        byte[] good = Hurt(folder, damage, path);

        await using (CheckpointManager resumed = new SampleTraining().Start(new LocalFileSystem(folder.Path), Options(folder, layout)))
        {
            resumed.Resume.Step.ShouldBe(10);
            CheckpointFault fault = resumed.Resume.PassedOver.ShouldHaveSingleItem();
            fault.Path.ShouldBe(faultPath);
            fault.Reason.ShouldContain(reason);
            resumed.Resume.Branch.Id.ShouldBe(1);
            (await File.ReadAllTextAsync(folder["journal.jsonl"], TestContext.Current.CancellationToken)).ShouldContain("passed_over");
        }
        Heal(folder, path, good);
        // Whole again, it still belongs to a line that was left.
        await TrainAsync(folder, layout, 12);
        await using CheckpointManager later = new SampleTraining().Start(new LocalFileSystem(folder.Path), Options(folder, layout));
        later.Resume.Step.ShouldBe(12);
        // And what stood in the way of the new step 20 is kept.
        await later.DisposeAsync();
        await TrainAsync(folder, layout, 20);
        Directory.GetFiles(folder["abandoned/20"], "model_tp0_pp0.*").ShouldHaveSingleItem();
    }

    [Fact]
    public async Task When_nothing_is_good_it_does_not_silently_start_from_scratch()
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder, "cairn", 20);
        Hurt(folder, "a flipped bit", Model);
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
        await TrainAsync(folder, "cairn", 10, 20);
        await File.WriteAllTextAsync(folder["run.json"], text, TestContext.Current.CancellationToken);
        await using CheckpointManager resumed = new SampleTraining().Start(new LocalFileSystem(folder.Path), Options(folder));
        resumed.Resume.Step.ShouldBe(20);
    }

    static CheckpointOptions Options(TemporaryFolder folder, string layout = "cairn") =>
        new() { Folder = folder.Path, Layout = layout, CheckpointEvery = 1000, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };

    static async Task TrainAsync(TemporaryFolder folder, string layout, params long[] saveAt)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(new LocalFileSystem(folder.Path), Options(folder, layout));
        foreach (long step in saveAt)
        {
            while (training.Train.Step < step)
                training.Batch();
            checkpoints.RequestSave();
            checkpoints.AfterBatch();
        }
    }

    static byte[] Hurt(TemporaryFolder folder, string damage, string file)
    {
        string path = folder[file];
        byte[] good = File.ReadAllBytes(path);
        byte[] bad = [.. good];
        bad[^20] ^= 4;
        switch (damage)
        {
            case "a flipped bit": File.WriteAllBytes(path, bad); break;
            case "a cut file": File.WriteAllBytes(path, good[..^1]); break;
            case "an empty file": File.WriteAllBytes(path, []); break;
            case "a folder in place of a file":
                File.Delete(path);
                Directory.CreateDirectory(path);
                break;
            default: File.Delete(path); break;
        }
        return good;
    }

    static void Heal(TemporaryFolder folder, string file, byte[] good)
    {
        string path = folder[file];
        if (Directory.Exists(path))
            Directory.Delete(path);
        File.WriteAllBytes(path, good);
    }
}
