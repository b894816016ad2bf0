using Cairn.State;
using CsCheck;

namespace Cairn.TorchSharp.Tests;

public sealed class SamplerTests
{
    [Fact]
    public void Every_epoch_holds_every_sample_exactly_once() =>
        Gen.Select(Gen.Int[1, 300], Gen.Long, Gen.Int[1, 4], Gen.Int[1, 7]).Sample((size, seed, world, batch) =>
        {
            long[] stream = Draw(Ranks(size, seed, world), batch, (3 * size / (world * batch)) + 1);
            for (int epoch = 0; epoch < 3; epoch++)
                stream.Skip(epoch * size).Take(size).Order().ShouldBe(Enumerable.Range(0, size).Select(i => (long)i));
        }, iter: 200);

    [Fact]
    public void The_order_is_the_same_whatever_the_number_of_ranks()
    {
        long[] one = Draw(Ranks(1000, 7, 1), 12, 100);
        foreach (int world in new[] { 2, 3, 4 })
            Draw(Ranks(1000, 7, world), 12 / world, 100).ShouldBe(one);
    }

    [Fact]
    public void A_change_of_ranks_neither_loses_nor_repeats_a_sample() =>
        Gen.Select(Gen.Int[1, 200], Gen.Int[1, 4].Array[1, 5], Gen.Int[1, 5].Array[1, 5]).Sample((size, worlds, batches) =>
        {
            List<long> stream = [];
            StateMap? saved = null;
            foreach ((int world, int batch) in worlds.Zip(batches))
            {
                ResumableSampler[] ranks = Ranks(size, saved is null ? 3 : 99, world);
                if (saved is not null)
                    Array.ForEach(ranks, rank => rank.Restore(saved));
                stream.AddRange(Draw(ranks, batch, 10));
                saved = ranks[^1].Capture().Copy();
            }
            stream.ShouldBe(Draw(Ranks(size, 3, 1), 1, stream.Count));
        }, iter: 200);

    [Fact]
    public void Epoch_and_position_count_the_samples_of_all_ranks()
    {
        ResumableSampler sampler = new(10, rank: 1, world: 2);
        sampler.NextBatch(3);
        (sampler.Epoch, sampler.Position).ShouldBe((0, 6));
        sampler.NextBatch(2);
        (sampler.Epoch, sampler.Position).ShouldBe((1, 0));
        sampler.NextBatch(12);
        (sampler.Epoch, sampler.Position).ShouldBe((3, 4));
    }

    [Fact]
    public void Epochs_and_seeds_differ_in_their_order()
    {
        long[] stream = Draw(Ranks(100, 1, 1), 100, 2);
        stream[..100].ShouldNotBe(stream[100..]);
        Draw(Ranks(100, 2, 1), 100, 1).ShouldNotBe(stream[..100]);
    }

    [Fact]
    public void The_order_never_changes_between_versions() =>
        Draw(Ranks(12, 42, 1), 12, 2).ShouldBe(TwoEpochsOfSeed42);

    [Fact]
    public void Places_are_about_evenly_taken()
    {
        // Chi-square over 16 places of sample 0, 15 degrees of freedom: 44.3 is passed once in 10,000.
        int[] counts = new int[16];
        for (int seed = 0; seed < 3200; seed++)
            counts[Array.IndexOf(Draw(Ranks(16, seed, 1), 16, 1), 0L)]++;
        counts.Sum(count => Math.Pow(count - 200, 2) / 200).ShouldBeLessThan(44.3);
    }

    [Fact]
    public void Without_shuffling_the_order_is_the_datasets() =>
        new ResumableSampler(5, shuffle: false).NextBatch(7).ShouldBe([0, 1, 2, 3, 4, 0, 1]);

    [Fact]
    public void The_state_of_another_dataset_or_order_is_refused()
    {
        StateMap saved = new ResumableSampler(10).Capture();
        Should.Throw<StateMismatchException>(() => new ResumableSampler(11).Restore(saved)).Message.ShouldContain("dataset_size: expected 11, found 10");
        Should.Throw<StateMismatchException>(() => new ResumableSampler(10, shuffle: false).Restore(saved)).Message.ShouldContain("order");
        saved["position"] = 10;
        Should.Throw<StateMismatchException>(() => new ResumableSampler(10).Restore(saved)).Message.ShouldContain("position");
    }

    // Computed by a second implementation, in Python.
    static readonly long[] TwoEpochsOfSeed42 = [7, 3, 5, 4, 11, 2, 1, 8, 0, 10, 9, 6, 0, 8, 2, 6, 10, 1, 11, 9, 4, 7, 5, 3];

    static ResumableSampler[] Ranks(int size, long seed, int world) =>
        [.. Enumerable.Range(0, world).Select(rank => new ResumableSampler(size, seed, rank, world))];

    static long[] Draw(ResumableSampler[] ranks, int batchSizePerRank, int batches) =>
        [.. Enumerable.Range(0, batches).SelectMany(_ => ranks.SelectMany(rank => rank.NextBatch(batchSizePerRank)))];
}
