using Cairn.State;

namespace Cairn.Tests;

/// <summary>A random generator that goes on exactly.</summary>
public class ResumableRandomTests
{
    // Of the authors' program, for the state 1, 2, 3, 4.
    [Fact]
    public void Its_bits_are_those_of_xoshiro256_starstar()
    {
        var random = new ResumableRandom(0);
        random.Set([1, 2, 3, 4]);
        Enumerable.Range(0, 8).Select(_ => random.Draw()).ShouldBe(
            [11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600, 16172922978634559625, 8476171486693032832]);
    }

    [Fact]
    public void It_goes_on_exactly_whatever_was_drawn_before()
    {
        var first = new ResumableRandom(7);
        Draw(first);
        StateMap saved = first.Capture();
        string rest = Draw(first);
        var second = new ResumableRandom(1);
        second.Restore(saved);
        Draw(second).ShouldBe(rest);
        string.Equals(Draw(new ResumableRandom(7)), rest, StringComparison.Ordinal).ShouldBeFalse();
    }

    [Fact]
    public void Every_range_is_met_evenly_and_never_left()
    {
        var random = new ResumableRandom(3);
        int[] counts = new int[6];
        for (int i = 0; i < 60_000; i++)
            counts[random.Next(6)]++;
        // Five standard deviations of 10,000 draws.
        counts.ShouldAllBe(count => Math.Abs(count - 10_000) < 460);
        for (int i = 0; i < 1000; i++)
        {
            random.Next(-3, 4).ShouldBeInRange(-3, 3);
            random.NextInt64(long.MinValue, long.MaxValue).ShouldNotBe(long.MaxValue);
            random.NextDouble().ShouldBeInRange(0, 0.9999999999999999);
            random.NextSingle().ShouldBeLessThan(1);
        }
        (random.Next(0), random.Next(5, 5), random.NextInt64(0)).ShouldBe((0, 5, 0L));
        Should.Throw<ArgumentOutOfRangeException>(() => random.Next(2, 1));
    }

    [Theory, InlineData("generator", "mt19937"), InlineData("state", "00"), InlineData("state", "0000000000000000000000000000000000000000000000000000000000000000")]
    public void Another_generators_state_is_refused(string key, string value)
    {
        var random = new ResumableRandom(3);
        StateMap saved = random.Capture();
        saved[key] = value;
        Should.Throw<StateMismatchException>(() => random.Restore(saved));
    }

    static string Draw(ResumableRandom random)
    {
        byte[] bytes = new byte[11];
        random.NextBytes(bytes);
        int[] order = [.. Enumerable.Range(0, 9)];
        random.Shuffle(order);
        return $"{random.Next()} {random.Next(-5, 99)} {random.NextInt64()} {random.NextDouble():R} {random.NextSingle():R} {Convert.ToHexString(bytes)} {string.Join(',', order)} {string.Concat(random.GetItems("abcd".AsSpan(), 5))}";
    }
}
