using CsCheck;

namespace Cairn.Advice.Tests;

public class OptimalIntervalTests
{
    // Worked out from the printed formulas with another program.
    [Theory]
    [InlineData(60, 86400, 3219.9379, 3180.0621)]
    [InlineData(300, 86400, 7200, 7001.3889)]
    [InlineData(600, 3600, 2078.4610, 1697.7060)]
    public void The_optima_are_those_of_the_papers(double stall, double mean, double young, double daly)
    {
        OptimalInterval.Young(TimeSpan.FromSeconds(stall), TimeSpan.FromSeconds(mean)).TotalSeconds.ShouldBe(young, 0.001);
        OptimalInterval.Daly(TimeSpan.FromSeconds(stall), TimeSpan.FromSeconds(mean)).TotalSeconds.ShouldBe(daly, 0.001);
    }

    // The captions of figures 3 to 5 of Daly's paper: a stall of 5 minutes.
    [Theory, InlineData(24 * 60, 117, 0.5), InlineData(6 * 60, 57, 0.5), InlineData(15, 9.1, 0.05)]
    public void Dalys_own_examples_come_out(double meanMinutes, double optimumMinutes, double tolerance) =>
        OptimalInterval.Daly(TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(meanMinutes)).TotalMinutes.ShouldBe(optimumMinutes, tolerance);

    [Fact]
    public void When_a_save_takes_twice_the_time_between_failures_the_interval_is_that_time() =>
        OptimalInterval.Daly(TimeSpan.FromHours(2), TimeSpan.FromHours(1)).ShouldBe(TimeSpan.FromHours(1));

    [Fact]
    public void No_other_interval_is_better_than_Dalys_by_his_own_model() => Gen.Select(Gen.Double[0.1, 300], Gen.Double[3600, 1e6], Gen.Double[0.2, 5]).Sample((stallSeconds, meanSeconds, factor) =>
    {
        (TimeSpan stall, TimeSpan mean) = (TimeSpan.FromSeconds(stallSeconds), TimeSpan.FromSeconds(meanSeconds));
        TimeSpan daly = OptimalInterval.Daly(stall, mean);
        double best = OptimalInterval.Slowdown(daly, stall, mean, TimeSpan.Zero);
        // The estimate is a series; a thousandth is what it leaves out.
        OptimalInterval.Slowdown(daly * factor, stall, mean, TimeSpan.Zero).ShouldBeGreaterThan(best * 0.999);
    });

    [Fact]
    public void Without_failures_the_slowdown_is_the_stall() =>
        OptimalInterval.Slowdown(TimeSpan.FromSeconds(99), TimeSpan.FromSeconds(1), TimeSpan.FromDays(1e6), TimeSpan.FromMinutes(5)).ShouldBe(100.0 / 99, 1e-6);

    [Fact]
    public void What_is_not_positive_is_refused() =>
        Should.Throw<ArgumentOutOfRangeException>(() => OptimalInterval.Young(TimeSpan.Zero, TimeSpan.FromDays(1)));
}
