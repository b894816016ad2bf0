using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// What InternEvo's samplers load: <c>StaticBatchSampler</c>, and of its keys those that the samplers of streamed and mocked data have too
/// (<c>internlm/data/tokenized/batch_sampler.py</c>). Its order of samples is its own: numpy's shuffle by a seed. The position, the epoch and
/// the number of batches are the run's.
/// </summary>
internal static class InternLmSampler
{
    private const string BatchSize = "batch_size", RampUp = "raw_rampup_batch_size", RandomState = "rng_state", Epoch = "epoch", Seed = "seed",
        DataWorld = "data_world_size", Consumed = "num_consumed_samples_in_epoch", BatchCount = "batch_count";
    // Names of InternLM's configuration, where they differ.
    private const string ConfiguredRampUp = "rampup_batch_size", ConfiguredSize = "micro_num", Position = "position";
    // InternEvo's, where its configuration has none.
    private const long DefaultSeed = 1024;
    private const int Words = 624;

    /// <summary>Whether a state is one of InternEvo's.</summary>
    public static bool IsOne(StateMap sampler) => sampler.ContainsKey(RampUp) || sampler.ContainsKey(RandomState);

    /// <summary>Whether a state is of a sampler of Cairn, which InternEvo has no class for.</summary>
    public static bool IsOfCairn(StateMap sampler) => sampler.ContainsKey(Position) && sampler.ContainsKey(Seed);

    /// <summary>The state of InternEvo's sampler where this one stands, on the only data-parallel rank.</summary>
    /// <param name="sampler">The state of another sampler; <c>seed</c>, <c>epoch</c> and <c>position</c> are understood.</param>
    /// <param name="context">The counters, where there are any.</param>
    /// <param name="data">InternLM's configuration <c>data</c>, where the run has it; its seed and its ramp-up are compared by InternEvo.</param>
    public static TorchMap Of(StateMap sampler, StateMap? context, StateMap? data)
    {
        long seed = Number(data, Seed) ?? Number(sampler, Seed) ?? DefaultSeed, epoch = Number(sampler, Epoch) ?? Number(context, Epoch) ?? 0;
        TorchMap state = new();
        if (Number(data, ConfiguredSize) is { } size)
            state[BatchSize] = size;
        state[RampUp] = data is not null && data.TryGetValue(ConfiguredRampUp, out StateNode? node) && node is StateScalar { Value: string or null } ramp ? (string?)ramp.Value : "";
        // An epoch's order follows from the seed and the epoch, as in its set_epoch.
        state[RandomState] = Seeded(unchecked((uint)(seed + epoch)));
        state[Epoch] = epoch;
        state[Seed] = seed;
        state[DataWorld] = 1L;
        state[Consumed] = Number(sampler, Position) ?? Number(context, Consumed) ?? 0;
        state[BatchCount] = (Number(context, BatchCount) ?? -1) + 1;
        return state;
    }

    /// <summary>What of InternLM's configuration <c>data</c> a state of its sampler has; see <see cref="Of"/>.</summary>
    public static StateMap ConfigurationOf(StateMap sampler)
    {
        StateMap data = [];
        foreach ((string from, string to) in (ReadOnlySpan<(string, string)>)[(Seed, Seed), (RampUp, ConfiguredRampUp), (BatchSize, ConfiguredSize)])
        {
            if (sampler.TryGetValue(from, out StateNode? node) && node is StateScalar value)
                data.Add(to, value);
        }
        return data;
    }

    // numpy.random.RandomState(seed).get_state(): the Mersenne twister as init_genrand leaves it (Matsumoto and Nishimura, 2002), all words used up.
    // Its set_state takes a list for the words, which every version of PyTorch and numpy loads; an array would name numpy's modules of one version.
    private static TorchList Seeded(uint seed)
    {
        var words = new TorchValue[Words];
        for (int i = 0; i < Words; i++)
        {
            words[i] = (long)seed;
            seed = unchecked((1812433253u * (seed ^ (seed >> 30))) + (uint)i + 1);
        }
        return new TorchList(TorchListKind.Tuple, ["MT19937", new TorchList(TorchListKind.List, words), (long)Words, 0L, 0.0]);
    }

    private static long? Number(StateMap? map, string key) => map is not null && map.TryGetValue(key, out StateNode? node) && node is StateScalar { Value: long value } ? value : null;
}
