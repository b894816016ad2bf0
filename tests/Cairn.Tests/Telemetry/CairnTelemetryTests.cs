using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Cairn.Policies;
using Cairn.Telemetry;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Telemetry;

/// <summary>What an OpenTelemetry set-up hears. Meters and activities are the process's: each test knows its own by a number that no other uses.</summary>
public class CairnTelemetryTests
{
    [Fact]
    public void A_save_gives_its_stall_duration_and_bytes_by_tier()
    {
        const double Stall = 12_345.5;
        using var heard = new Heard();
        CairnTelemetry.Record(ReportOf(SaveOutcome.Saved) with { Stall = TimeSpan.FromSeconds(Stall), Duration = TimeSpan.FromSeconds(2 * Stall), Bytes = 12_345_678_901 });
        heard.Of("cairn.save.stall").ShouldContain(found => found.Value == Stall && found.Tags["cairn.kind"] == "snapshot");
        heard.Of("cairn.save.duration").ShouldContain(found => found.Value == 2 * Stall);
        heard.Of("cairn.save.bytes").ShouldContain(found => found.Value == 12_345_678_901);
    }

    [Fact]
    public void A_save_that_is_none_is_counted_by_its_outcome_and_has_no_duration()
    {
        const double Stall = 23_456.5;
        using var heard = new Heard();
        CairnTelemetry.Record(ReportOf(SaveOutcome.Refused) with { Stall = TimeSpan.FromSeconds(Stall), Duration = TimeSpan.FromSeconds(Stall + 1) });
        heard.Of("cairn.save.stall").ShouldContain(found => found.Value == Stall);
        heard.Of("cairn.save.duration").ShouldNotContain(found => found.Value == Stall + 1);
        heard.Of("cairn.save.failures").ShouldContain(found => found.Value == 1 && found.Tags["cairn.outcome"] == "refused");
    }

    [Fact]
    public async Task A_save_is_an_activity_below_that_of_the_program_also_on_its_own_thread()
    {
        var ended = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == CairnTelemetry.SourceName,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using Activity program = new Activity("training").Start();
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = training.Start(new SimulatedFileSystem(), new CheckpointOptions { CheckpointEvery = 2, HandleSignals = false }))
        {
            while (training.Train.Step < 2)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
            checkpoints.Complete();
        }
        Activity[] saves = [.. ended.Where(activity => activity.RootId == program.RootId)];
        saves.ShouldAllBe(activity => activity.OperationName == "cairn.save" && activity.ParentId == program.Id);
        saves.Select(activity => activity.GetTagItem("cairn.step")).ShouldContain(2L);
    }

    private static SaveReport ReportOf(SaveOutcome outcome) => new() { Step = 1, Kind = SaveKind.Snapshot, Reason = SaveReason.Snapshot, Outcome = outcome };

    private sealed class Heard : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentQueue<(string Name, double Value, Dictionary<string, string?> Tags)> _found = [];

        public Heard()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == CairnTelemetry.SourceName)
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.Start();
        }

        public IEnumerable<(double Value, Dictionary<string, string?> Tags)> Of(string name) => _found.Where(found => found.Name == name).Select(found => (found.Value, found.Tags));

        public void Dispose() => _listener.Dispose();

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var named = new Dictionary<string, string?>(StringComparer.Ordinal);
            foreach ((string name, object? tag) in tags)
                named[name] = tag?.ToString();
            _found.Enqueue((instrument.Name, value, named));
        }
    }
}
