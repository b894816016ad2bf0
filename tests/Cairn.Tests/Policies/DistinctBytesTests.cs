using Cairn.Policies;
using CsCheck;

namespace Cairn.Tests.Policies;

/// <summary>Bytes that several copies share are there once.</summary>
public class DistinctBytesTests
{
    static readonly Gen<SharedBytes[]> Files = Gen.Int[0, 7].HashSet[0, 5].Select(ids => ids.Select(id => new SharedBytes((UInt128)id, 100 + id)).ToArray());

    [Fact]
    public void They_are_those_of_the_files_that_some_copy_has_in_whatever_order_copies_come_and_go() => Gen.Select(Gen.Long[0, 50], Files).List[0, 12].SelectMany(copies => Gen.Select(Gen.Const(copies), Gen.Shuffle(copies.ToArray()), Gen.Int[0, copies.Count])).Sample((copies, order, gone) =>
    {
        var bytes = new DistinctBytes();
        foreach ((long own, SharedBytes[] shared) in copies)
        {
            Int128 before = bytes.Total;
            Int128 added = bytes.Added(own + shared.Sum(file => file.Bytes), shared);
            bytes.Add(own + shared.Sum(file => file.Bytes), shared);
            (bytes.Total - before).ShouldBe(added);
        }
        foreach ((long own, SharedBytes[] shared) in order.Take(gone))
        {
            Int128 before = bytes.Total;
            bytes.Remove(own + shared.Sum(file => file.Bytes), shared).ShouldBe(before - bytes.Total);
        }
        var left = order.Skip(gone).ToArray();
        bytes.Total.ShouldBe(left.Sum(copy => copy.Item1) + left.SelectMany(copy => copy.Item2).Distinct().Sum(file => file.Bytes));
    });

    [Fact]
    public void A_budget_counts_them_once_and_never_removes_what_is_protected()
    {
        SharedBytes[] all = [new(1, 1000)];
        RetainedCheckpoint[] checkpoints = [.. Enumerable.Range(1, 5).Select(step => new RetainedCheckpoint(step, 1010, new Dictionary<string, double>(StringComparer.Ordinal), true, default) { Shared = all })];
        Retention.WithinBytes(1050).Keep(checkpoints, new HashSet<long>()).Count.ShouldBe(5);
        Retention.WithinBytes(1049).Keep(checkpoints, new HashSet<long>()).Order().ShouldBe([2, 3, 4, 5]);
        Retention.WithinBytes(1020).Keep(checkpoints, new HashSet<long> { 1 }).Order().ShouldBe([1, 5]);
        Retention.WithinBytes(2020).Keep([.. checkpoints.Select(checkpoint => checkpoint with { Shared = [] })], new HashSet<long>()).Order().ShouldBe([4, 5]);
    }

    [Fact]
    public void A_forecast_writes_the_shared_bytes_once_and_keeps_them_while_any_copy_stands()
    {
        var standing = new StandingCopies(Retention.KeepLast(2), [], []);
        var copy = new CopySize(1010, [new SharedBytes(1, 1000)]);
        copy.OwnBytes.ShouldBe(10);
        for (long step = 1; step <= 6; step++)
        {
            standing.WrittenFor(copy).ShouldBe(step == 1 ? 1010 : 10);
            standing.Add(new RetainedCheckpoint(step, copy.Bytes, new Dictionary<string, double>(StringComparer.Ordinal), true, default) { Shared = copy.Shared });
            standing.AddSnapshot(step, copy);
        }
        standing.Bytes.ShouldBe(1000 + 4 * 10);
        standing.OnDisk.ShouldBe(1000 + 5 * 10);
        RunForecast.SpaceAdvice(1000 + 100, copy).ShouldBe("Keep fewer: KeepLast of at most 7.");
    }
}
