using Cairn.Checkpoints;
using CsCheck;

namespace Cairn.Tests.Ranks;

public class WorldTests
{
    [Fact]
    public void What_is_not_given_is_data_parallel()
    {
        World.For(8).ShouldBe(new World(1, 1, 8, 1));
        World.For(8, tp: 2).ShouldBe(new World(2, 1, 4, 1));
        World.For(8, tp: 2, zo: 4).ShouldBe(new World(2, 1, 4, 4));
        World.For(8, tp: 2, pp: 2, dp: 2, zo: 1).ShouldBe(new World(2, 2, 2, 1));
        World.For(1).ShouldBe(World.Single);
    }

    [Theory]
    [InlineData(4, 3, null, null, null)]
    [InlineData(4, 8, null, null, null)]
    [InlineData(4, 2, 1, 4, null)]
    [InlineData(4, 1, 1, 2, null)]
    [InlineData(4, 0, null, null, null)]
    [InlineData(4, null, null, null, 3)]
    [InlineData(4, 65536, 65536, null, null)]
    public void Sizes_that_do_not_fit_are_refused(int size, int? tp, int? pp, int? dp, int? zo) =>
        Should.Throw<CheckpointException>(() => World.For(size, tp, pp, dp, zo));

    [Fact]
    public void Ranks_stand_as_InternLM_numbers_them()
    {
        // InternEvo's own example: 16 ranks, tp 2, pp 2, dp 4, zero1 2.
        World world = new(2, 2, 4, 2);
        int[] Group(Func<RankCoordinates, bool> inside) => [.. Enumerable.Range(0, 16).Where(rank => inside(world.CoordinatesOf(rank)))];
        Group(at => at is { Pp: 0, Dp: 0 }).ShouldBe([0, 1]);
        Group(at => at is { Pp: 1, Dp: 1 }).ShouldBe([10, 11]);
        Group(at => at is { Tp: 0, Pp: 0 }).ShouldBe([0, 2, 4, 6]);
        Group(at => at is { Tp: 1, Pp: 1 }).ShouldBe([9, 11, 13, 15]);
        Group(at => at is { Tp: 1, Dp: 1 }).ShouldBe([3, 11]);
        Enumerable.Range(0, 8).Select(rank => world.CoordinatesOf(rank).Zo).ShouldBe([0, 0, 1, 1, 0, 0, 1, 1]);
    }

    [Fact]
    public void Every_rank_has_its_own_place() =>
        Gen.Select(Gen.Int[1, 5], Gen.Int[1, 5], Gen.Int[1, 6]).Sample((tp, pp, dp) =>
        {
            World world = new(tp, pp, dp, 1);
            return Enumerable.Range(0, world.Size).All(rank => world.CoordinatesOf(rank) is var at && world.RankAt(at.Tp, at.Pp, at.Dp) == rank)
                && Enumerable.Range(0, world.Size).Select(world.CoordinatesOf).Distinct().Count() == world.Size;
        });
}
