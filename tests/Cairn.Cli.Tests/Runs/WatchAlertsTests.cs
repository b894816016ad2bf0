using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Cairn.Alerts;
using Cairn.Cli.Runs;
using Cairn.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Cli.Tests.Runs;

/// <summary>What a watcher tells people, look by look, of a run whose journal grows.</summary>
public sealed class WatchAlertsTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(Noon);
    private readonly ListSink _sink = new();

    [Fact]
    public void Failures_and_a_resume_from_an_older_copy_are_told_when_they_come_and_not_when_they_are_history()
    {
        Journal("started", "\"step\":0,\"batch\":0");
        Journal("failed", "\"step\":5,\"kind\":\"snapshot\",\"stall_seconds\":0,\"error\":\"an old failure\"");
        IReadOnlyList<Alert> told = Watch(look =>
        {
            look();
            Journal("saved", "\"step\":10,\"kind\":\"checkpoint\",\"stall_seconds\":0,\"bytes\":1,\"seconds\":1");
            Journal("failed", "\"step\":20,\"kind\":\"checkpoint\",\"stall_seconds\":0,\"error\":\"no space\"");
            Journal("refused", "\"step\":22,\"kind\":\"snapshot\",\"stall_seconds\":0,\"error\":\"'w' holds NaN\"");
            Journal("space_ends", "\"step\":90,\"kind\":\"checkpoint\",\"message\":\"Space will end at step 90.\"");
            Journal("passed_over", "\"path\":\"20/model.safetensors\",\"reason\":\"damaged\"");
            Journal("resumed", "\"step\":10,\"batch\":10,\"from\":\"10\",\"lost_steps\":12");
            look();
            look();
        });
        told.Select(alert => alert.Kind).ShouldBe([AlertKind.SaveFailed, AlertKind.SaveRefused, AlertKind.SpaceEnds, AlertKind.FellBack], ignoreOrder: true);
        told.First(alert => alert.Kind == AlertKind.SaveFailed).Message.ShouldStartWith("The checkpoint of step 20 was not saved: no space");
        told.First(alert => alert.Kind == AlertKind.FellBack).Message.ShouldContain("20/model.safetensors: damaged");
    }

    [Fact]
    public void A_run_that_was_killed_is_told_once_also_to_who_looks_later()
    {
        // Its lock names no process that is there.
        Journal("started", "\"step\":0,\"batch\":0");
        Progress(Noon, 3);
        IReadOnlyList<Alert> told = Watch(look =>
        {
            look();
            look();
        }, alive: false);
        told.ShouldHaveSingleItem().Message.ShouldBe("The process was killed, or its machine failed. There is no durable copy. Lost: at least 3 steps.");
    }

    [Fact]
    public void An_end_is_told_when_it_comes()
    {
        Journal("started", "\"step\":0,\"batch\":0");
        Watch(look =>
        {
            look();
            Journal("finished", "\"step\":10,\"batch\":10");
            look();
            look();
        }).ShouldHaveSingleItem().Kind.ShouldBe(AlertKind.Finished);
        _sink.Taken.Clear();
        // Who looks later has nothing to be told.
        Watch(look => look()).ShouldBeEmpty();
        // Nor is there anything new when it is started again, and has nothing to train.
        Watch(look =>
        {
            look();
            Journal("resumed", "\"step\":10,\"batch\":10,\"from\":\"10\",\"lost_steps\":0");
            look();
            Journal("finished", "\"step\":10,\"batch\":10");
            look();
        }).ShouldBeEmpty();
    }

    [Fact]
    public void An_end_that_is_not_saved_is_told_once()
    {
        Journal("started", "\"step\":0,\"batch\":0");
        Watch(look =>
        {
            look();
            Journal("failed", "\"step\":5,\"kind\":\"checkpoint\",\"reason\":\"final\",\"stall_seconds\":0,\"error\":\"no space\"");
            Journal("aborted", "\"step\":5,\"batch\":5,\"why\":\"no space\"");
            look();
        }).ShouldHaveSingleItem().Kind.ShouldBe(AlertKind.Aborted);
    }

    [Fact]
    public void Silence_and_an_old_copy_are_told_once_until_they_are_over()
    {
        Journal("started", "\"step\":0,\"batch\":0");
        Journal("saved", "\"step\":1,\"kind\":\"checkpoint\",\"stall_seconds\":0,\"bytes\":1,\"seconds\":1");
        Watch(look =>
        {
            Progress(Noon, 5);
            look();
            _time.Advance(TimeSpan.FromMinutes(31));
            look();
            look();
            Progress(_time.GetUtcNow(), 6);
            look();
            _time.Advance(TimeSpan.FromMinutes(31));
            look();
        }).Select(alert => alert.Kind).ShouldBe([AlertKind.TrainingSilent, AlertKind.TrainingSilent, AlertKind.NoDurableCopy], ignoreOrder: true);
    }

    [Fact]
    public void What_is_posted_is_as_its_schema_says()
    {
        JsonNode schema = JsonNode.Parse(File.ReadAllText(Path.Combine(Golden.Repository, "docs", "json", "alert.schema.json")))!;
        schema["properties"]!["alert"]!["enum"]!.AsArray().Select(kind => kind!.GetValue<string>()).ShouldBe(Enum.GetValues<AlertKind>().Select(AlertBody.NameOf));
        foreach (AlertKind kind in Enum.GetValues<AlertKind>())
        {
            var alert = new Alert { Kind = kind, Run = "r", Host = "h", Step = 1, TotalSteps = kind == AlertKind.Stopped ? null : 2, Message = "m", Time = Noon };
            SchemaCheck.Problems(schema, JsonNode.Parse(AlertBody.Of(alert, AlertFormat.Json))).ShouldBeEmpty();
        }
    }

    public void Dispose() => _folder.Dispose();

    private IReadOnlyList<Alert> Watch(Action<Action> looks, bool alive = true)
    {
        var files = new LocalFileSystem(_folder.Path);
        // This process is alive: that of the lock.
        if (alive)
            File.WriteAllBytes(_folder[RunLock.FileName], RunLockHolder.ThisProcess(_time).ToJson());
        var monitor = new RunMonitor(files, _time);
        using (var alerts = new WatchAlerts("runs/tiny", [("sink", _sink)], new AlertLimits(TimeSpan.FromMinutes(60), TimeSpan.FromMinutes(30), TimeSpan.Zero), _time, _ => { }))
        {
            looks(() =>
            {
                monitor.Look();
                alerts.See(monitor);
            });
        }
        return [.. _sink.Taken];
    }

    private void Journal(string @event, string fields) => File.AppendAllText(_folder["journal.jsonl"], $"{{\"time\":\"{_time.GetUtcNow():O}\",\"event\":\"{@event}\",{fields}}}\n");

    private void Progress(DateTimeOffset time, long step) => File.WriteAllText(_folder["progress.json"], $"{{\"time\":\"{time:O}\",\"pid\":1,\"step\":{step},\"batch\":{step},\"skipped\":0}}");

    private sealed class ListSink : IAlertSink
    {
        public ConcurrentQueue<Alert> Taken { get; } = [];

        public Task SendAsync(Alert alert, CancellationToken cancellationToken)
        {
            Taken.Enqueue(alert);
            return Task.CompletedTask;
        }
    }
}
