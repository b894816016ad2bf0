namespace Cairn.Advice;

/// <summary>How long to train between two saves so that stalls and lost work together are least.</summary>
public static class OptimalInterval
{
    /// <summary>
    /// Young's first-order optimum, √(2·δ·M): the training time between saves, for a stall δ and a mean time between failures M.
    /// <para>J. W. Young, "A first order approximation to the optimum checkpoint interval", Communications of the ACM 17(9), 1974, pp. 530–531.</para>
    /// </summary>
    /// <param name="stall">Time for which training waits at a save (δ).</param>
    /// <param name="meanTimeBetweenFailures">Mean time between failures of the whole job (M).</param>
    /// <exception cref="ArgumentOutOfRangeException">A time is not positive.</exception>
    public static TimeSpan Young(TimeSpan stall, TimeSpan meanTimeBetweenFailures)
    {
        (double delta, double mean) = Seconds(stall, meanTimeBetweenFailures);
        return TimeSpan.FromSeconds(Math.Sqrt(2 * delta * mean));
    }

    /// <summary>
    /// Daly's higher-order optimum: √(2·δ·M)·[1 + ⅓·√(δ/2M) + ⅑·(δ/2M)] − δ while δ &lt; 2M, else M.
    /// <para>J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", Future Generation Computer Systems 22(3), 2006, pp. 303–312.</para>
    /// </summary>
    /// <param name="stall">Time for which training waits at a save (δ).</param>
    /// <param name="meanTimeBetweenFailures">Mean time between failures of the whole job (M).</param>
    /// <exception cref="ArgumentOutOfRangeException">A time is not positive.</exception>
    public static TimeSpan Daly(TimeSpan stall, TimeSpan meanTimeBetweenFailures)
    {
        (double delta, double mean) = Seconds(stall, meanTimeBetweenFailures);
        if (delta >= 2 * mean)
            return meanTimeBetweenFailures;
        double ratio = delta / (2 * mean);
        return TimeSpan.FromSeconds(Math.Sqrt(2 * delta * mean) * (1 + Math.Sqrt(ratio) / 3 + ratio / 9) - delta);
    }

    /// <summary>
    /// Expected time per second of useful training with saves and failures, at least 1: M·e^(R/M)·(e^((τ+δ)/M) − 1)/τ, Daly's complete
    /// model for exponentially distributed failures (the same paper, for runs that are long against δ).
    /// </summary>
    /// <param name="interval">Training time between saves (τ).</param>
    /// <param name="stall">Time for which training waits at a save (δ); may be zero.</param>
    /// <param name="meanTimeBetweenFailures">Mean time between failures of the whole job (M).</param>
    /// <param name="restart">Time from a failure until training goes on (R); may be zero.</param>
    /// <returns>The factor; <see cref="double.PositiveInfinity"/> when such a run practically never ends.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The interval or the mean time between failures is not positive, or another time is negative.</exception>
    public static double Slowdown(TimeSpan interval, TimeSpan stall, TimeSpan meanTimeBetweenFailures, TimeSpan restart)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(interval, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(stall, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(meanTimeBetweenFailures, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(restart, TimeSpan.Zero);
        double mean = meanTimeBetweenFailures.TotalSeconds, tau = interval.TotalSeconds;
        return mean / tau * Math.Exp(restart.TotalSeconds / mean) * (Math.Exp((tau + stall.TotalSeconds) / mean) - 1);
    }

    private static (double Stall, double Mean) Seconds(TimeSpan stall, TimeSpan meanTimeBetweenFailures)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(stall, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(meanTimeBetweenFailures, TimeSpan.Zero);
        return (stall.TotalSeconds, meanTimeBetweenFailures.TotalSeconds);
    }
}
