namespace Cairn.Alerts;

/// <summary>
/// Lets one alert of a kind through in a while. What comes sooner is held back: the newest of them goes out when the while is over, and says how many there were. Not for several threads.
/// </summary>
/// <param name="interval">The while.</param>
internal sealed class AlertThrottle(TimeSpan interval)
{
    private readonly Dictionary<AlertKind, Kept> _kept = [];

    /// <summary>When the next alert that is held back goes out; <see langword="null"/> when none is held back.</summary>
    public TimeSpan? NextDue => _kept.Values.Where(kept => kept.Held is not null).Select(kept => (TimeSpan?)(kept.Last + interval)).Min();

    /// <summary>Gives an alert that goes out now, or holds it back.</summary>
    /// <param name="alert">The alert.</param>
    /// <param name="now">The time, from any start.</param>
    public Alert? Offer(Alert alert, TimeSpan now)
    {
        if (_kept.TryGetValue(alert.Kind, out Kept? kept) && now - kept.Last < interval)
        {
            kept.Count++;
            kept.Held = alert;
            return null;
        }
        long before = kept?.Count ?? 0;
        _kept[alert.Kind] = new Kept { Last = now };
        return alert with { HeldBack = before };
    }

    /// <summary>What was held back long enough.</summary>
    public IReadOnlyList<Alert> Due(TimeSpan now) => Take(kept => now - kept.Last >= interval, now);

    /// <summary>All that is held back: the run ends.</summary>
    public IReadOnlyList<Alert> All(TimeSpan now) => Take(static _ => true, now);

    private List<Alert> Take(Func<Kept, bool> isDue, TimeSpan now)
    {
        List<Alert> due = [];
        foreach (Kept kept in _kept.Values.Where(kept => kept.Held is not null && isDue(kept)))
        {
            // It is itself one of those that were held back.
            due.Add(kept.Held! with { HeldBack = kept.Count - 1 });
            (kept.Held, kept.Count, kept.Last) = (null, 0, now);
        }
        return due;
    }

    private sealed class Kept
    {
        public TimeSpan Last { get; set; }
        public long Count { get; set; }
        public Alert? Held { get; set; }
    }
}
