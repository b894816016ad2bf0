namespace Cairn.Advice.Audit;

/// <summary>A save whose step the log does not say: it was made after one printed step and before the next.</summary>
/// <param name="Session">Its process.</param>
/// <param name="Index">Its place among the saves of that process.</param>
/// <param name="Printed">The last step that was printed before.</param>
/// <param name="Next">The first one that was printed after; 0 when there is none.</param>
internal sealed record UnnamedSave(RunSession Session, int Index, long Printed, long Next);

/// <summary>
/// Finds the steps of saves that a log does not name, where not every step is printed: after its start each process saves at the next multiple of an interval, and then at each one. Of the intervals that fit, one by which all saves are
/// at printed steps is meant, or else the roundest.
/// </summary>
internal static class SaveNaming
{
    private const long MostCandidates = 100_000;

    /// <summary>The interval; <see langword="null"/> when none fits.</summary>
    public static long? Interval(IReadOnlyList<UnnamedSave> saves)
    {
        UnnamedSave[] known = [.. saves];
        if (known.Length == 0)
            return null;
        // Some save the first step besides.
        return Fitting(known) ?? (known[0] is { Printed: 1, Session.FirstStep: 0 } ? Fitting(known[1..]) : null);
    }

    /// <summary>The steps by an interval, in the order of the saves; <see langword="null"/> for a save that can have been at none.</summary>
    public static IReadOnlyList<long?> Steps(IReadOnlyList<UnnamedSave> saves, long every)
    {
        var steps = new long?[saves.Count];
        RunSession? session = null;
        long last = 0;
        // After the last printed step there are fewer than between two.
        long widest = saves.Where(save => save.Next > 0).Select(save => save.Next - save.Printed).DefaultIfEmpty().Max();
        for (int i = 0; i < steps.Length; i++)
        {
            if (saves[i].Session != session)
                (session, last) = (saves[i].Session, saves[i].Session.FirstStep);
            long next = (Math.Max(last + 1, saves[i].Printed) + every - 1) / every * every;
            if (next == saves[i].Printed || next < (saves[i].Next > 0 ? saves[i].Next : saves[i].Printed + widest))
                steps[i] = last = next;
            else if (saves[i] is { Printed: 1, Session.FirstStep: 0 })
                steps[i] = 1;
        }
        return steps;
    }

    private static long? Fitting(UnnamedSave[] saves)
    {
        if (saves.Length == 0)
            return null;
        (long least, long most) = Bounds(saves);
        // A log that prints so seldom tells nothing.
        if (most - least > MostCandidates)
            return null;
        long? best = null;
        (bool, int) highest = default;
        for (long every = least; every <= most; every++)
        {
            if (!Fits(saves, every))
                continue;
            (bool, int) rank = (saves.Zip(Steps(saves, every)).All(save => save.First.Printed == save.Second), Roundness(every));
            if (best is null || rank.CompareTo(highest) > 0)
                (best, highest) = (every, rank);
        }
        return best;
    }

    // From the first save after a beginning, and from the distance of two that follow each other.
    private static (long Least, long Most) Bounds(UnnamedSave[] saves)
    {
        (long least, long most) = (1, 0);
        for (int i = 0; i < saves.Length; i++)
        {
            UnnamedSave save = saves[i];
            (long from, long to) = (save.Printed, Math.Max(save.Printed, save.Next - 1));
            if (i > 0 && saves[i - 1] is var before && before.Session == save.Session)
                (from, to) = (save.Printed - Math.Max(before.Printed, before.Next - 1), to - before.Printed);
            else if (save.Session.FirstStep > 0)
                continue;
            // The last ones tell no more than that they came.
            if (save.Next == 0 && i > 0)
                continue;
            least = Math.Max(least, from);
            most = most == 0 ? to : Math.Min(most, to);
        }
        return (least, most);
    }

    // None is left out between two.
    private static bool Fits(UnnamedSave[] saves, long every)
    {
        RunSession? session = null;
        long due = 0;
        foreach ((UnnamedSave save, long? step) in saves.Zip(Steps(saves, every)))
        {
            due = save.Session == session ? due + every : ((save.Session.FirstStep / every) + 1) * every;
            session = save.Session;
            if (step != due)
                return false;
        }
        return true;
    }

    // People think in decimals.
    private static int Roundness(long number)
    {
        int round = 0;
        for (; number > 0 && number % 10 == 0; number /= 10)
            round += 100;
        for (; number > 0 && number % 5 == 0; number /= 5)
            round += 10;
        for (; number > 0 && number % 2 == 0; number /= 2)
            round++;
        return round;
    }
}
