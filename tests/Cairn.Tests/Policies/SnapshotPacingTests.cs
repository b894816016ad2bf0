using Cairn.Policies;
using CsCheck;

namespace Cairn.Tests.Policies;

public class SnapshotPacingTests
{
    private const double Budget = 0.01;
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_next_snapshot_begins_at_the_first_step_at_which_the_last_is_complete()
    {
        // A stall of 10 ms in 10 s is a tenth of the budget: only the store counts.
        var run = new PacedRun { StepSeconds = 1, StallSeconds = 0.01, DurableSeconds = 9.5 };
        run.Train(100);
        run.Snapshots.Take(4).ShouldBe([1, 11, 21, 31]);
    }

    [Fact]
    public void A_stall_is_earned_before_the_next_snapshot()
    {
        // 0.52 s are 1 % of 52 s, in which training makes 51.48 steps; the first was not earned before it was made.
        var run = new PacedRun { StepSeconds = 1, StallSeconds = 0.52, DurableSeconds = 2 };
        run.Train(400);
        run.Snapshots.ShouldBe([1, 103, 155, 206, 258, 309, 361]);
    }

    [Fact]
    public void A_snapshot_that_the_memory_is_not_ready_for_waits() =>
        new SnapshotPacing(Budget, Start, 0).At(Start.AddSeconds(1), 1, TimeSpan.Zero, isSaving: true, newestCopy: 0).MayBegin.ShouldBeFalse();

    [Fact]
    public void No_snapshot_begins_while_any_save_is_under_way_and_the_stall_keeps_within_the_budget() =>
        Gen.Select(Gen.Double[0.001, 0.2], Gen.Double[0.01, 5], Gen.Double[0, 20].Array[1, 40], Gen.Double[0, 60].Array[1, 40], Gen.Int[20, 500]).Sample((budget, step, stalls, durations, checkpointEvery) =>
        {
            var run = new PacedRun { Budget = budget, StepSeconds = step, CheckpointEvery = checkpointEvery };
            for (int i = 0; i < 3000; i++)
            {
                (run.StallSeconds, run.DurableSeconds) = (stalls[run.Saves % stalls.Length], durations[run.Saves % durations.Length]);
                run.Train(1);
                // What checkpoints cost besides is not the snapshots' to save; what a store took that hung is forgotten after an hour.
                if (run.CheckpointStall == 0 && stalls.Max() < 3600 * budget)
                    (run.Stall - budget * run.Seconds).ShouldBeLessThanOrEqualTo(stalls.Max() + 1e-6);
            }
            run.BeganWhileSaving.ShouldBe(0);
        }, iter: 300);

    [Fact]
    public void A_store_that_hung_stops_snapshots_for_an_hour_and_not_for_a_day()
    {
        var run = new PacedRun { StepSeconds = 1, StallSeconds = 0.1, DurableSeconds = 2 };
        run.Train(1000);
        run.StallSeconds = 600;
        run.Until(run.Snapshots.Count + 1);
        run.StallSeconds = 0.1;
        double hung = run.Seconds;
        run.Until(run.Snapshots.Count + 1);
        (run.Seconds - hung).ShouldBeInRange(3500, 3700);
        double next = run.Seconds;
        run.Until(run.Snapshots.Count + 1);
        (run.Seconds - next).ShouldBeInRange(9, 12);
    }

    [Fact]
    public void One_odd_stall_is_not_expected_again()
    {
        var run = new PacedRun { StepSeconds = 1, StallSeconds = 0.1, DurableSeconds = 2 };
        run.Train(200);
        run.StallSeconds = 1;
        run.Until(run.Snapshots.Count + 1);
        run.StallSeconds = 0.1;
        double odd = run.Seconds;
        run.Until(run.Snapshots.Count + 1);
        // What it took is earned, and 0.1 s for the next; not a whole second for the next.
        (run.Seconds - odd).ShouldBeInRange(95, 105);
    }

    [Fact]
    public void What_was_not_needed_for_long_is_not_spent_at_once()
    {
        var run = new PacedRun { StepSeconds = 1, StallSeconds = 0.5, DurableSeconds = 1000 };
        run.Train(10_000);
        run.DurableSeconds = 1;
        int made = run.Snapshots.Count;
        run.Train(1000);
        (run.Snapshots.Count - made).ShouldBeInRange(18, 22);
    }

    [Fact]
    public void What_fails_is_tried_again_after_a_pause_that_grows_until_something_succeeds()
    {
        var run = new PacedRun { StepSeconds = 1, Fails = true };
        run.Train(2000);
        run.Snapshots.Take(5).ShouldBe([1, 12, 33, 74, 155]);
        run.Snapshots.Count.ShouldBeLessThan(12);
        run.Fails = false;
        run.Until(run.Snapshots.Count + 2);
        run.Snapshots[^1].ShouldBe(run.Snapshots[^2] + 1);
    }

    [Fact]
    public void A_snapshot_that_would_make_a_checkpoint_or_the_end_wait_is_not_begun()
    {
        var run = new PacedRun { StepSeconds = 1, StallSeconds = 0.01, DurableSeconds = 9.5, CheckpointEvery = 25, LastStep = 60 };
        run.Train(60);
        // What begins at 21 would still be written at 25, what begins at 45 still at 50, and what begins after 50 still at the end.
        run.Snapshots.ShouldBe([1, 11, 35]);
    }

    /// <summary>Training on a clock of its own, whose store takes a given time for a save.</summary>
    private sealed class PacedRun
    {
        private SnapshotPacing? _pacing;
        private SaveSchedule? _schedule;
        private long _step, _newest;
        private double _writtenAt = double.NegativeInfinity;
        private long _writing;

        public double Budget { get; init; } = SnapshotPacingTests.Budget;
        public double StepSeconds { get; init; }
        public long? CheckpointEvery { get; init; }
        public long? LastStep { get; init; }
        public double StallSeconds { get; set; }
        public double DurableSeconds { get; set; }
        public bool Fails { get; set; }
        public double Seconds { get; private set; }
        public double Stall { get; private set; }
        public double CheckpointStall { get; private set; }
        public int BeganWhileSaving { get; private set; }
        public int Saves { get; private set; }
        public List<long> Snapshots { get; } = [];

        public void Until(int snapshots)
        {
            while (Snapshots.Count < snapshots)
                Train(1);
        }

        public void Train(int steps)
        {
            _pacing ??= new SnapshotPacing(Budget, Start, 0);
            _schedule ??= new SaveSchedule(CheckpointEvery is { } every ? SavePolicy.EverySteps(every) : SavePolicy.Never, SavePolicy.Continuous(Budget));
            for (int i = 0; i < steps; i++)
            {
                Seconds += StepSeconds;
                long previous = _step++;
                bool isSaving = Seconds < _writtenAt;
                if (!isSaving && !Fails)
                    _newest = Math.Max(_newest, _writing);
                DateTimeOffset now = Start.AddSeconds(Seconds);
                SnapshotPace pace = _pacing.At(now, _step, TimeSpan.FromSeconds(Stall), isSaving, _newest);
                SavedTier none = new(null, Start);
                if (_schedule.Decide(new SaveSituation(_step, previous, now, none, none) { Pace = pace, LastStep = LastStep }) is not { } decision)
                    continue;
                _pacing.Begin(now, _step);
                double waited = Math.Max(0, _writtenAt - Seconds) + StallSeconds;
                if (decision.Kind == SaveKind.Snapshot)
                {
                    BeganWhileSaving += isSaving ? 1 : 0;
                    Snapshots.Add(_step);
                }
                else
                    CheckpointStall += waited;
                Stall += waited;
                Seconds += waited;
                (_writing, _writtenAt) = (_step, Seconds + DurableSeconds);
                Saves++;
            }
        }
    }
}
