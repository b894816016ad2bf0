using Cairn.State;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class ResumableDataLoaderTests
{
    // Dataset size, batch size, drop_last, seed of ours, workers.
    public static TheoryData<int, int, bool, int?, int> Loaders { get; } = new()
    {
        { 10, 3, false, 5, 1 }, { 10, 3, true, 5, 4 }, { 12, 4, false, 5, 2 }, { 12, 4, true, null, 1 }, { 11, 5, false, null, 3 }, { 7, 9, false, 5, 1 }, { 1, 1, false, 5, 1 },
    };

    [Theory]
    [MemberData(nameof(Loaders))]
    public void It_goes_on_at_every_batch_as_if_nothing_had_been(int size, int batchSize, bool dropLast, int? seed, int workers)
    {
        const int Epochs = 3;
        ResumableDataLoader<Dictionary<string, Tensor>, Dictionary<string, Tensor>> Loader() =>
            utils.data.DataLoader(new Numbers(size), batchSize, shuffle: true, seed: 7, num_worker: workers, drop_last: dropLast).Resumable(seed);
        List<string> whole = [];
        List<StateMap> states = [];
        var uninterrupted = Loader();
        states.Add(uninterrupted.Capture());
        Draw(uninterrupted, Epochs, batch =>
        {
            whole.Add(batch);
            states.Add(uninterrupted.Capture());
        });
        whole.Count.ShouldBe(Epochs * (int)uninterrupted.BatchesPerEpoch);
        for (int i = 0; i < states.Count; i++)
        {
            var resumed = Loader();
            resumed.Restore(states[i].Copy());
            List<string> rest = [];
            Draw(resumed, Epochs, rest.Add);
            rest.ShouldBe(whole.Skip(i), $"after {i} batches");
        }
        // Every sample once in an epoch, but those that drop_last drops; and each epoch in another order, when we shuffle.
        IEnumerable<string> epoch = whole.Take((int)uninterrupted.BatchesPerEpoch);
        epoch.SelectMany(batch => batch.Split(' ')).Distinct(StringComparer.Ordinal).Count().ShouldBe(dropLast ? size / batchSize * batchSize : size);
        if (seed is not null && size > 5)
            whole.Skip((int)uninterrupted.BatchesPerEpoch).Take((int)uninterrupted.BatchesPerEpoch).ShouldNotBe(epoch);
    }

    [Fact]
    public void Its_mark_moves_with_each_batch_and_not_at_the_end_of_an_epoch()
    {
        var batches = utils.data.DataLoader(new Numbers(6), 2).Resumable(seed: 1);
        List<ulong> marks = [batches.ProgressMark];
        foreach (Dictionary<string, Tensor> _ in batches)
            marks.Add(batches.ProgressMark);
        marks.Distinct().Count().ShouldBe(4);
        batches.ProgressMark.ShouldBe(marks[^1]);
        batches.Epoch.ShouldBe(1);
    }

    [Fact]
    public void Without_a_seed_of_ours_the_order_is_TorchSharps_own()
    {
        using DataLoader plain = utils.data.DataLoader(new Numbers(20), 6, shuffle: true, seed: 3);
        string[] expected = [.. plain.Select(Text)];
        List<string> found = [];
        Draw(plain.Resumable(), 1, found.Add);
        found.ShouldBe(expected);
        using DataLoader sequential = utils.data.DataLoader(new Numbers(20), 6);
        found.Clear();
        Draw(sequential.Resumable(), 1, found.Add);
        found.ShouldBe([.. sequential.Select(Text)]);
        ((StateScalar)sequential.Resumable().Capture()["order"]).Value.ShouldBe("sequential");
    }

    [Fact]
    public void An_order_that_is_another_each_time_is_refused_and_so_is_the_state_of_another()
    {
        using DataLoader anyhow = utils.data.DataLoader(new Numbers(20), 6, shuffle: true), three = utils.data.DataLoader(new Numbers(20), 6, shuffle: true, seed: 3), four = utils.data.DataLoader(new Numbers(20), 6, shuffle: true, seed: 4);
        Should.Throw<CheckpointException>(() => anyhow.Resumable()).Message.ShouldContain("Give the DataLoader a seed");
        anyhow.Resumable(seed: 1).ShouldNotBeNull();
        StateMap saved = three.Resumable().Capture();
        Should.Throw<StateMismatchException>(() => four.Resumable().Restore(saved)).Message.ShouldContain("order");
        using DataLoader larger = utils.data.DataLoader(new Numbers(21), 6);
        Should.Throw<StateMismatchException>(() => larger.Resumable(seed: 1).Restore(anyhow.Resumable(seed: 1).Capture())).Message.ShouldContain("dataset_size: expected 21, found 20");
    }

    [Fact]
    public void Batches_to_skip_are_never_loaded_and_all_others_stay_the_same()
    {
        var dataset = new Numbers(10);
        using DataLoader loader = utils.data.DataLoader(dataset, 3);
        List<string> all = [], rest = [];
        Draw(loader.Resumable(seed: 1), 3, all.Add);
        dataset.Loaded = 0;
        // Numbers go over the epochs: 4 batches each. The last of an epoch, the first of one, and one of the third.
        var skipping = loader.Resumable(seed: 1, skipBatches: [3, 4, 9, 9, 1000]);
        List<long> numbers = [];
        Draw(skipping, 3, batch =>
        {
            rest.Add(batch);
            numbers.Add(skipping.NextBatch - 1);
        });
        rest.ShouldBe(all.Where((_, i) => i is not (3 or 4 or 9)));
        numbers.ShouldBe([0, 1, 2, 5, 6, 7, 8, 10, 11]);
        dataset.Loaded.ShouldBe(30 - 1 - 3 - 3);
    }

    [Fact]
    public void Another_batch_size_goes_on_at_the_same_sample()
    {
        using DataLoader threes = utils.data.DataLoader(new Numbers(10), 3), ones = utils.data.DataLoader(new Numbers(10), 1);
        List<string> all = [], rest = [];
        Draw(ones.Resumable(seed: 1), 1, all.Add);
        var first = threes.Resumable(seed: 1);
        using (IEnumerator<Dictionary<string, Tensor>> batches = first.GetEnumerator())
            batches.MoveNext().ShouldBeTrue();
        var second = ones.Resumable(seed: 99);
        second.Restore(first.Capture());
        Draw(second, 1, rest.Add);
        rest.ShouldBe(all.Skip(3));
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public void Ranks_share_each_global_batch_and_make_equally_many(int world, bool dropLast)
    {
        const int Size = 17, BatchSize = 4;
        List<string>[] ranks = [.. Enumerable.Range(0, world).Select(rank =>
        {
            List<string> drawn = [];
            using DataLoader loader = utils.data.DataLoader(new Numbers(Size), BatchSize, drop_last: dropLast);
            Draw(loader.Resumable(seed: 1, rank: rank, world: world), 1, drawn.Add);
            return drawn;
        })];
        ranks.Select(rank => rank.Count).Distinct().Count().ShouldBe(1);
        string[] samples = [.. ranks.SelectMany(rank => rank).SelectMany(batch => batch.Split(' '))];
        samples.Distinct(StringComparer.Ordinal).Count().ShouldBe(dropLast ? Size / (BatchSize * world) * BatchSize * world : Size);
        samples.Length.ShouldBeLessThan(Size + world);
    }

    [Fact]
    public void Left_early_it_goes_on_there_and_two_enumerations_at_once_are_refused()
    {
        using DataLoader loader = utils.data.DataLoader(new Numbers(10), 3);
        var batches = loader.Resumable(seed: 1);
        foreach (Dictionary<string, Tensor> _ in batches)
            break;
        (batches.Epoch, batches.Position).ShouldBe((0, 3));
        using IEnumerator<Dictionary<string, Tensor>> first = batches.GetEnumerator();
        first.MoveNext();
        using IEnumerator<Dictionary<string, Tensor>> second = batches.GetEnumerator();
        second.MoveNext();
        Should.Throw<InvalidOperationException>(() => first.MoveNext()).Message.ShouldContain("once at a time");
        batches.EndEpoch();
        (batches.Epoch, batches.Position, batches.NextBatch).ShouldBe((1, 0, 4));
    }

    // As a training loop does: epochs are counted by what the loader says.
    static void Draw(ResumableDataLoader<Dictionary<string, Tensor>, Dictionary<string, Tensor>> loader, int epochs, Action<string> take)
    {
        while (loader.Epoch < epochs)
        {
            foreach (Dictionary<string, Tensor> batch in loader)
                take(Text(batch));
        }
    }

    static string Text(Dictionary<string, Tensor> batch) => string.Join(' ', batch["number"].data<long>().ToArray());

    sealed class Numbers(int count) : utils.data.Dataset
    {
        int _loaded;

        public override long Count => count;
        public int Loaded { get => _loaded; set => _loaded = value; }

        public override Dictionary<string, Tensor> GetTensor(long index)
        {
            Interlocked.Increment(ref _loaded);
            return new(StringComparer.Ordinal) { ["number"] = tensor(index) };
        }
    }
}
