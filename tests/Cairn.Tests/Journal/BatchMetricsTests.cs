using System.Text;
using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Journal;

/// <summary>What the journal keeps of loss, learning rate, tokens and time, for people and for <c>cairn report</c>.</summary>
public class BatchMetricsTests
{
    private readonly SimulatedFileSystem _disk = new();
    private readonly FakeTimeProvider _time = new();
    private readonly TrainState _train = new();
    private readonly BatchMetrics _metrics;

    public BatchMetricsTests()
    {
        _disk.CreateFolder("");
        _metrics = new BatchMetrics(new RunJournal(_disk, _time, NullLogger.Instance), _train, _time);
    }

    [Fact]
    public void Batches_are_written_a_few_seconds_later_in_one_line()
    {
        Batch(2.5, 0.5, tokens: 100);
        Batch(null, 0.5);
        Batch(2.25, 1.5, tokens: 100);
        JsonElement line = Lines().ShouldHaveSingleItem();
        line.GetProperty("event").GetString().ShouldBe("metrics");
        (line.GetProperty("step").GetInt64(), line.GetProperty("batch").GetInt64()).ShouldBe((2, 3));
        line.GetProperty("batches").GetRawText().ShouldBe("[1,2,3]");
        line.GetProperty("steps").GetRawText().ShouldBe("[1,1,2]");
        line.GetProperty("loss").GetRawText().ShouldBe("[2.5,null,2.25]");
        line.GetProperty("learning_rate").GetRawText().ShouldBe("[0.001,0.001,0.001]");
        line.GetProperty("tokens").GetRawText().ShouldBe("[100,null,100]");
        line.GetProperty("seconds").GetRawText().ShouldBe("[0.5,0.5,1.5]");
        line.TryGetProperty("loss_max", out _).ShouldBeFalse("of single batches it says nothing more");
    }

    [Fact]
    public void Very_many_batches_are_some_thousand_windows_and_a_single_spike_stays()
    {
        int batches = RandomFaults.AreAll ? 1_000_000 : 100_000;
        for (int batch = 1; batch <= batches; batch++)
            Batch(batch == batches / 3 * 2 ? 99 : 1, 0.01);
        _metrics.Write();
        List<JsonElement> lines = Lines();
        lines.Sum(line => line.GetProperty("batches").GetArrayLength()).ShouldBeInRange(3_000, 9_000);
        SmallFile.Read(_disk, RunFolder.Journal, 8 << 20).Length.ShouldBeLessThan(1 << 20);
        lines.SelectMany(line => line.TryGetProperty("loss_max", out JsonElement most) ? most.EnumerateArray().Select(value => value.GetDouble()) : []).Max().ShouldBe(99);
        lines[^1].GetProperty("batches").EnumerateArray().Last().GetInt64().ShouldBe(batches);
    }

    [Fact]
    public void A_loss_that_is_no_number_is_not_covered_by_those_that_follow_in_its_window()
    {
        for (int batch = 1; batch <= 1_000_000; batch++)
            _train.CompleteStep();
        var metrics = new BatchMetrics(new RunJournal(_disk, _time, NullLogger.Instance), _train, _time);
        foreach (double loss in (double[])[1, double.NaN, 2])
        {
            _train.CompleteStep(loss: loss);
            metrics.AfterBatch();
        }
        metrics.Write();
        JsonElement line = Lines().ShouldHaveSingleItem();
        line.GetProperty("loss").GetRawText().ShouldBe("[\"NaN\"]");
        (line.GetProperty("loss_min")[0].GetDouble(), line.GetProperty("loss_max")[0].GetDouble()).ShouldBe((1, 2));
    }

    [Fact]
    public void The_runs_own_metrics_stand_at_the_step_at_which_they_were_set_and_each_window_is_told()
    {
        List<MetricWindow> told = [];
        var metrics = new BatchMetrics(new RunJournal(_disk, _time, NullLogger.Instance), _train, _time, measured: told.AddRange);
        foreach (double? accuracy in (double?[])[null, 0.5, null, double.NaN])
        {
            _time.Advance(TimeSpan.FromSeconds(0.25));
            _train.CompleteStep();
            if (accuracy is { } value)
                _train.Metrics["accuracy"] = value;
            metrics.AfterBatch();
        }
        _train.SkipBatch(TrainState.OverflowReason);
        metrics.AfterBatch();
        metrics.Write();
        JsonElement line = Lines().ShouldHaveSingleItem();
        line.GetProperty("metrics").GetRawText().ShouldBe("{\"accuracy\":[null,0.5,null,\"NaN\",null]}");
        told.Select(window => window.Step).ShouldBe([1, 2, 3, 4, 4]);
        told.Select(window => (window.Time - told[0].Time).TotalSeconds).ShouldBe([0, 0.25, 0.5, 0.75, 0.75]);
    }

    [Fact]
    public void The_end_writes_what_is_still_gathered()
    {
        _train.CompleteStep(loss: 1);
        var metrics = new BatchMetrics(new RunJournal(_disk, _time, NullLogger.Instance), _train, _time);
        _train.CompleteStep(loss: 0.5);
        metrics.AfterBatch();
        Lines().ShouldBeEmpty();
        new BatchJournal(new RunJournal(_disk, _time, NullLogger.Instance), _train, metrics: metrics).Ended(wasStopped: false);
        Lines().Select(line => line.GetProperty("event").GetString()).ShouldBe(["metrics", "finished"]);
    }

    private void Batch(double? loss, double seconds, long tokens = 0)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        if (loss is null)
            _train.SkipBatch(TrainState.OverflowReason);
        else
            _train.CompleteStep(tokens: tokens, loss: loss, learningRate: 0.001);
        _metrics.AfterBatch();
    }

    private List<JsonElement> Lines() => !_disk.FileExists(RunFolder.Journal) ? [] :
        [.. Encoding.UTF8.GetString(SmallFile.Read(_disk, RunFolder.Journal, 8 << 20)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
}
