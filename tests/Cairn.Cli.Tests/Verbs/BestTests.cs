using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Cli.Tests.Verbs;

/// <summary>The best checkpoint of a run, as the verbs show it, name it and leave it.</summary>
public sealed class BestTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task It_is_shown_found_by_its_name_kept_and_brought_along()
    {
        string run = _folder["run"];
        await Train(run, 30, step => step switch { 5 => 1.0, 12 => 0.25, 17 => 0.5, 20 => 0.75, _ => null });

        string[] lines = CairnCall.Run("ls", run).Out.Split('\n');
        lines[0].ShouldContain("validation_loss");
        lines.Single(line => line.TrimStart().StartsWith("12 ", StringComparison.Ordinal)).ShouldMatch("checkpoint +best +0.25 ");
        lines.ShouldContain(line => line.EndsWith("The best is 12/ (validation_loss 0.25).", StringComparison.Ordinal));
        JsonElement listed = Json("ls", run);
        listed.GetProperty("best").GetProperty("step").GetInt64().ShouldBe(12);
        JsonElement row = listed.GetProperty("copies").EnumerateArray().Single(copy => copy.GetProperty("best").GetBoolean());
        (row.GetProperty("step").GetInt64(), row.GetProperty("metrics").GetProperty("validation_loss").GetDouble()).ShouldBe((12, 0.25));

        string best = Path.Combine(run, "best");
        CairnCall.Run("show", best).Out.ShouldContain("checkpoint of step 12, saved because best");
        CairnCall.Run("show", best).Out.ShouldMatch("step +12\nbatch +12\n(.*\n)*validation_loss +0.25");
        CairnCall.Run("verify", best).Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("stats", best).Code.ShouldBe(ExitCode.Good);

        CairnCall.Run("prune", run, "--keep-last", "2", "--yes").Out.ShouldMatch("12 +12 +.* 0.25  keep  +the best by lowest validation_loss, 0.25");
        Directory.Exists(_folder["run/12"]).ShouldBeTrue();
        Directory.Exists(_folder["run/5"]).ShouldBeFalse();
        JsonElement pruned = Json("prune", run, "--keep-last", "2");
        pruned.GetProperty("best").GetProperty("metric").GetString().ShouldBe("validation_loss");
        pruned.GetProperty("checkpoints").EnumerateArray().Single(kept => kept.GetProperty("step").GetInt64() == 12).GetProperty("metric").GetDouble().ShouldBe(0.25);

        CairnCall.Run("sync", run, _folder["copied"]).Code.ShouldBe(ExitCode.Good);
        File.ReadAllText(_folder["copied/best.json"]).ShouldBe(File.ReadAllText(_folder["run/best.json"]));

        CairnCall.Run("branch", run, "--from", "best").Out.ShouldContain("resumes at step 12");
        CairnCall.Run("branch", run, "--from", "worst").Error.ShouldContain("or best");
        await Train(_folder["plain"], 3, _ => null);
        Result none = CairnCall.Run("show", Path.Combine(_folder["plain"], "best"));
        none.Code.ShouldBe(ExitCode.CouldNot);
        none.Error.ShouldContain("has no best checkpoint");
    }

    private JsonElement Json(params string[] arguments) => JsonDocument.Parse(CairnCall.Run([.. arguments, "--json"]).Out).RootElement;

    private static async Task Train(string folder, long steps, Func<long, double?> measure)
    {
        var training = new SampleTraining();
        var options = new CheckpointOptions { Folder = folder, CheckpointEvery = 10, SnapshotEvery = 0, Asynchronous = false, HandleSignals = false, SaveBestMetric = "validation_loss" };
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, training.Train, [training.Weights], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
        while (training.Train.Step < steps)
        {
            training.Batch();
            if (measure(training.Train.Step) is { } loss)
                training.Train.Metrics["validation_loss"] = loss;
            checkpoints.AfterBatch();
        }
        checkpoints.Complete();
    }
}
