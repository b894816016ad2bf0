using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Cli.Tests.Verbs;

/// <summary>A run whose copies share the frozen base of their model.</summary>
public sealed class SharedFilesTests : IDisposable
{
    private const string Frozen = "model_frozen_tp0_pp0.safetensors";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_they_share_is_counted_once()
    {
        string run = await TrainedAsync();
        JsonElement listed = Json("ls", run, "--json");
        JsonElement[] copies = [.. listed.GetProperty("copies").EnumerateArray()];
        copies.Length.ShouldBe(5);
        long once = new FileInfo(Path.Join(run, "1", Frozen)).Length;
        copies.ShouldAllBe(copy => copy.GetProperty("shared_bytes").GetInt64() == once && copy.GetProperty("bytes").GetInt64() > once);
        listed.GetProperty("bytes").GetInt64().ShouldBe(copies.Sum(copy => copy.GetProperty("bytes").GetInt64() - once) + once);
        CairnCall.Run("ls", run).Out.ShouldContain(", what they share counted once. A restart takes 5/.");

        JsonElement pruned = Json("prune", run, "--keep-last", "2", "--json");
        pruned.GetProperty("bytes_freed").GetInt64().ShouldBe(copies[2..].Sum(copy => copy.GetProperty("bytes").GetInt64() - once));
        // Room for the base and for the rest of three.
        string few = $"{once + 3 * (copies[0].GetProperty("bytes").GetInt64() - once) + 500}B";
        Json("prune", run, "--within-bytes", few, "--json").GetProperty("checkpoints").EnumerateArray().Count(row => row.GetProperty("removed").GetBoolean()).ShouldBe(2);
        CairnCall.Run("prune", run, "--keep-last", "2", "--yes").Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("verify", run).Code.ShouldBe(ExitCode.Good);
    }

    [Fact]
    public async Task One_damaged_file_is_read_once_and_said_of_every_copy_that_has_it()
    {
        string run = await TrainedAsync();
        using (FileStream file = File.OpenWrite(Path.Join(run, "3", Frozen)))
        {
            file.Seek(-9, SeekOrigin.End);
            file.WriteByte(1);
        }
        JsonElement verified = Json("verify", run, "--json");
        JsonElement[] copies = [.. verified.GetProperty("copies").EnumerateArray()];
        copies.ShouldAllBe(copy => copy.GetProperty("verdict").GetString() == "damaged" && copy.GetProperty("faults")[0].GetProperty("shared_with").GetArrayLength() == 4);
        verified.GetProperty("bytes").GetInt64().ShouldBe(Json("ls", run, "--json").GetProperty("bytes").GetInt64(), "what is shared is read once");
        CairnCall.Run("verify", run).Out.ShouldContain($"{Frozen}: the file was altered");
        CairnCall.Run("verify", run).Out.ShouldContain("; it is the same file in 4, 3, 2, 1");

        // A copy of its own is no longer of the same fate.
        File.WriteAllBytes(Path.Join(run, "5", Frozen + ".new"), Repaired(run));
        File.Move(Path.Join(run, "5", Frozen + ".new"), Path.Join(run, "5", Frozen), overwrite: true);
        Json("verify", run, "--json").GetProperty("copies").EnumerateArray().Count(copy => copy.GetProperty("good").GetBoolean()).ShouldBe(1);
    }

    // One file, two hashes: what one copy is right to have is wrong in the other.
    [Fact]
    public async Task A_link_to_the_file_of_another_copy_with_other_bytes_is_found()
    {
        string run = await TrainedAsync(changesAt: 3);
        foreach (string step in (string[])["1", "2"])
        {
            File.Delete(Path.Join(run, step, Frozen));
            using var link = System.Diagnostics.Process.Start("ln", [Path.Join(run, "4", Frozen), Path.Join(run, step, Frozen)]);
            await link.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        JsonElement[] copies = [.. Json("verify", run, "--json").GetProperty("copies").EnumerateArray()];
        copies.Where(copy => !copy.GetProperty("good").GetBoolean()).Select(copy => copy.GetProperty("step").GetInt64()).Order().ShouldBe([1, 2]);
    }

    [Fact]
    public async Task A_plan_like_it_writes_the_base_once()
    {
        string run = await TrainedAsync();
        string[] plan = ["plan", "--steps", "1000", "--step-time", "1s", "--like", run, "--write-rate", "1GB/s", "--copy-rate", "5GB/s", "--json"];
        long once = new FileInfo(Path.Join(run, "1", Frozen)).Length;
        JsonElement planned = Json(plan);
        planned.GetProperty("given").GetProperty("frozen_bytes").GetInt64().ShouldBe(once);
        JsonElement forecast = planned.GetProperty("forecast");
        long saves = forecast.GetProperty("checkpoints").GetInt64() + forecast.GetProperty("snapshots").GetInt64(), each = planned.GetProperty("given").GetProperty("state_bytes").GetInt64() - once;
        forecast.GetProperty("bytes_written").GetDouble().ShouldBe(once + saves * each);
        Json([.. plan, "--frozen-size", "0B"]).GetProperty("forecast").GetProperty("bytes_written").GetDouble().ShouldBe(saves * (once + each), saves * (once + each) * 0.2);
    }

    private byte[] Repaired(string run)
    {
        byte[] bytes = File.ReadAllBytes(Path.Join(run, "3", Frozen));
        bytes[^9] = unchecked((byte)((FrozenPart.BaseBytes - 9) * 31));
        return bytes;
    }

    private static JsonElement Json(params string[] arguments) => JsonDocument.Parse(CairnCall.Run(arguments).Out).RootElement;

    private async Task<string> TrainedAsync(int changesAt = 0)
    {
        var options = new CheckpointOptions { Folder = _folder["run"], CheckpointEvery = 1, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };
        var training = new SampleTraining();
        var model = new FrozenPart();
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, training.Train, [model], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
        for (int i = 0; i < 5; i++)
        {
            training.Batch();
            model.Head++;
            if (training.Train.Step == changesAt)
                model.Base[0][7]++;
            checkpoints.AfterBatch();
        }
        checkpoints.Complete();
        return options.Folder;
    }
}
