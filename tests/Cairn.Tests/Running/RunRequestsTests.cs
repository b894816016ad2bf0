using Cairn.Ranks;
using Cairn.Running;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Running;

public class RunRequestsTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_save_that_was_asked_for_is_taken_once()
    {
        var requests = new RunRequests(_time);
        requests.RequestSave();
        requests.RequestSave();
        requests.TakeSave().ShouldBeTrue();
        requests.TakeSave().ShouldBeFalse();
    }

    [Fact]
    public void The_time_since_the_signal_counts_from_the_first_one_on_whichever_rank()
    {
        var requests = new RunRequests(_time);
        requests.SinceSignal.ShouldBe(TimeSpan.Zero);
        requests.Agreed(stop: false, signal: true, TimeSpan.FromSeconds(5));
        _time.Advance(TimeSpan.FromSeconds(2));
        requests.Signal();
        requests.SinceSignal.ShouldBe(TimeSpan.FromSeconds(7));
    }

    [Fact]
    public void Waits_end_with_the_time_to_stop_and_never_take_less_than_a_second()
    {
        var requests = new RunRequests(_time);
        var patience = new RunPatience(new CheckpointOptions { StopGrace = TimeSpan.FromSeconds(30), StoreTimeout = TimeSpan.FromMinutes(10) }, RankGroup.Single, requests);
        requests.Signal();
        // It counts when all have heard of it.
        patience.Longest.ShouldBe(TimeSpan.FromMinutes(10));
        requests.Agreed(stop: false, signal: true, TimeSpan.Zero);
        _time.Advance(TimeSpan.FromSeconds(10));
        patience.Longest.ShouldBe(TimeSpan.FromSeconds(20));
        _time.Advance(TimeSpan.FromSeconds(60));
        patience.Longest.ShouldBe(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public void What_any_rank_asks_for_is_asked_for_and_survives_the_way()
    {
        BatchRequests[] ranks =
        [
            new(Stop: false, Signal: true, Save: false, IsBusy: false, TimeSpan.FromSeconds(3), Stall: TimeSpan.FromSeconds(2)),
            new(Stop: true, Signal: true, Save: false, IsBusy: true, TimeSpan.FromSeconds(8), Unfinished: true, IsOccupied: true, Stall: TimeSpan.FromSeconds(5)),
            new(Stop: false, Signal: false, Save: true, IsBusy: false, TimeSpan.Zero),
        ];
        BatchRequests all = BatchRequests.Of(ranks.Select(rank => RankMessages.Read(RankMessages.Write(rank.Write), BatchRequests.Read)));
        all.ShouldBe(new BatchRequests(Stop: true, Signal: true, Save: true, IsBusy: true, TimeSpan.FromSeconds(8), Unfinished: true, IsOccupied: true, Stall: TimeSpan.FromSeconds(5)));
    }
}
