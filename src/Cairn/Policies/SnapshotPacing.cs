using System.Runtime.InteropServices;

namespace Cairn.Policies;

/// <summary>What is known about a snapshot that could begin now, for those that follow one another without an interval.</summary>
/// <param name="MayBegin">Whether nothing is being saved and training may wait for one more.</param>
/// <param name="Lasts">The time until it would be complete; zero when no save was measured yet.</param>
/// <param name="Steps">The steps that training makes meanwhile.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SnapshotPace(bool MayBegin, TimeSpan Lasts, long Steps);

/// <summary>
/// When the next snapshot may begin in a run without an interval of snapshots: once nothing is being saved, and training has earned the time for which it will wait. So much of each second as the budget says is earned, and
/// each save, checkpoints among them, takes what it really cost. The first snapshot has no measure: it begins at once, and what it cost is earned afterwards. Pure: who asks says what time it is. On the first rank.
/// </summary>
/// <param name="budget">The share of the time for which training may wait, between 0 and 1.</param>
/// <param name="start">When training began.</param>
/// <param name="step">The step at which it began.</param>
internal sealed class SnapshotPacing(double budget, DateTimeOffset start, long step)
{
    // Their median is what the next save is taken to cost: one that was unlike the others does not count.
    private const int Remembered = 5;
    private const long MostSteps = 1L << 50;
    // How much one step says of how long a step takes.
    private const double OfOneStep = 0.1;
    // A store that hung for ten minutes would otherwise stop snapshots for a day.
    private static readonly TimeSpan LongestDebt = TimeSpan.FromHours(1);
    // What fails at once would otherwise fail at each step.
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(10), LongestPause = TimeSpan.FromMinutes(10);

    private readonly Queue<double> _stalls = [], _durations = [];
    private DateTimeOffset _asked = start, _noEarlier = start;
    private long _step = step;
    private double _earned, _stall, _stepSeconds, _nextStall, _nextDuration;
    private TimeSpan _pause = FirstPause;
    private (long Step, DateTimeOffset Time, double Stall)? _underWay;

    /// <summary>What may begin now.</summary>
    /// <param name="now">The time, which does not run backwards.</param>
    /// <param name="step">The step that training has reached.</param>
    /// <param name="stall">For how long training has waited for saves since it began.</param>
    /// <param name="isSaving">Whether a save is under way, or whether it went well is not known yet.</param>
    /// <param name="newestCopy">The step of the newest complete copy.</param>
    public SnapshotPace At(DateTimeOffset now, long step, TimeSpan stall, bool isSaving, long newestCopy)
    {
        double waited = stall.TotalSeconds - _stall, elapsed = Math.Max(0, (now - _asked).TotalSeconds);
        Earn(elapsed, waited);
        if (step > _step)
        {
            double seconds = Math.Max(0, elapsed - waited) / (step - _step);
            _stepSeconds = _stepSeconds == 0 ? seconds : _stepSeconds + (seconds - _stepSeconds) * OfOneStep;
        }
        (_asked, _step, _stall) = (now, step, stall.TotalSeconds);
        if (!isSaving && _underWay is { } save)
        {
            _underWay = null;
            End(save, now, newestCopy >= save.Step);
        }
        bool mayBegin = !isSaving && now >= _noEarlier && _earned >= _nextStall * (1 - budget);
        double steps = _nextDuration == 0 ? 0 : Math.Ceiling(_nextDuration / Math.Max(_stepSeconds, 1e-9));
        return new SnapshotPace(mayBegin, TimeSpan.FromSeconds(_nextDuration), (long)Math.Min(steps, MostSteps));
    }

    /// <summary>A save of either kind begins.</summary>
    /// <param name="now">The time.</param>
    /// <param name="step">Its step.</param>
    public void Begin(DateTimeOffset now, long step) => _underWay = (step, now, _stall);

    // Not more than the next save costs: what was not needed for a long time is not spent at once.
    private void Earn(double elapsed, double waited) =>
        _earned = Math.Clamp(_earned + elapsed * budget - waited, -Math.Max(_nextStall, LongestDebt.TotalSeconds * budget), _stalls.Count == 0 ? double.MaxValue : _nextStall);

    private void End((long Step, DateTimeOffset Time, double Stall) save, DateTimeOffset now, bool isComplete)
    {
        if (!isComplete)
        {
            (_noEarlier, _pause) = (now + _pause, _pause * 2 < LongestPause ? _pause * 2 : LongestPause);
            return;
        }
        _pause = FirstPause;
        _nextStall = Median(_stalls, _stall - save.Stall);
        _nextDuration = Median(_durations, (now - save.Time).TotalSeconds);
    }

    private static double Median(Queue<double> known, double newest)
    {
        known.Enqueue(newest);
        if (known.Count > Remembered)
            known.Dequeue();
        return known.Order().ElementAt(known.Count / 2);
    }
}
