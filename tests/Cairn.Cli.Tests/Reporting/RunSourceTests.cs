using Cairn.Advice.Audit;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;
using Cairn.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Cli.Tests.Reporting;

/// <summary>A run that is looked up again and again.</summary>
public sealed class RunSourceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2100, 1, 1, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public void Of_a_run_to_which_nothing_happens_the_page_stays_the_same()
    {
        LiveRun.Make(_folder["run"], new CheckpointOptions { TotalSteps = 30, CheckpointEvery = 10, SnapshotEvery = 5, Asynchronous = false }, 30);
        var source = new RunSource(_folder["run"], _time);
        // What others write on this disk is no matter of this test.
        string Page() => ReportPage.Content([source.Look() with { Free = 1L << 40 }]).ToString();
        string before = Page();
        before.ShouldContain("room for more than 1,000 copies");
        _time.Advance(TimeSpan.FromMinutes(90));
        Page().ShouldBe(before);
    }

    [Fact]
    public void A_process_that_was_seen_to_train_and_was_replaced_has_been_killed()
    {
        Directory.CreateDirectory(_folder.Path);
        File.WriteAllBytes(_folder[RunLock.FileName], RunLockHolder.ThisProcess(_time).ToJson());
        var source = new RunSource(_folder.Path, _time);
        Journal("started", "\"step\":0,\"batch\":0");
        source.Look().State.ShouldBe("training");
        Journal("saved", "\"step\":10,\"kind\":\"checkpoint\",\"stall_seconds\":0,\"bytes\":1,\"seconds\":1");
        Journal("resumed", "\"step\":10,\"batch\":10,\"from\":\"10\",\"lost_steps\":2,\"lost_at_least\":true");
        Journal("metrics", "\"step\":11,\"batch\":11,\"batches\":[11]");
        RunReport report = source.Look();
        Journal("metrics", "\"step\":13,\"batch\":13,\"batches\":[13]");
        Journal("finished", "\"step\":14,\"batch\":14");
        report = source.Look();
        report.State.ShouldBe("finished");
        report.Audit!.History.Sessions.Select(session => (session.FirstStep, session.LastStep, session.Saves.Count, session.LostAtLeast, session.End))
            .ShouldBe([(0, 12, 1, false, SessionEnd.Unknown), (10, 14, 0, true, SessionEnd.Finished)]);
    }

    public void Dispose() => _folder.Dispose();

    private void Journal(string @event, string fields) => File.AppendAllText(_folder["journal.jsonl"], $"{{\"time\":\"{_time.GetUtcNow():O}\",\"event\":\"{@event}\",{fields}}}\n");
}
