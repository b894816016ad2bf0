using System.Buffers.Binary;
using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>
/// The state of torch's default CPU generator, which shuffling, dropout and initialization draw from, and of named CPU
/// generators of the user's own. TorchSharp gives no access to the state of CUDA generators.
/// </summary>
public sealed class RandomPart : IStatePart
{
    private readonly IReadOnlyDictionary<string, torch.Generator> _generators;

    /// <summary>The default generator, and these.</summary>
    /// <param name="generators">Further CPU generators by name.</param>
    /// <param name="name">The part's name.</param>
    /// <param name="scope">Whether each rank of a job has random numbers of its own (the default), or all have the same: then any number of ranks goes on exactly.</param>
    /// <exception cref="ArgumentException">A generator is not on the CPU.</exception>
    public RandomPart(IReadOnlyDictionary<string, torch.Generator>? generators = null, string name = "random", PartScope scope = PartScope.PerRank)
    {
        _generators = generators ?? new Dictionary<string, torch.Generator>(StringComparer.Ordinal);
        foreach ((string key, torch.Generator generator) in _generators)
        {
            if (generator.device.type != DeviceType.CPU)
                throw new ArgumentException($"The generator '{key}' is on {generator.device}; only the state of CPU generators can be saved.", nameof(generators));
        }
        (Name, Scope) = (name, scope);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public PartScope Scope { get; }

    /// <inheritdoc/>
    public StateMap Capture()
    {
        StateMap generators = [];
        foreach ((string key, torch.Generator generator) in _generators)
            generators.Add(key, Copy(generator.get_state()));
        return new StateMap { { "cpu", Copy(torch.random.get_rng_state()) }, { "generators", generators } };
    }

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        using torch.Tensor current = torch.random.get_rng_state();
        int size = (int)current.NumberOfElements;
        CheckGenerator(saved, "cpu", "cpu", size, problems);
        saved.CheckUnexpected(name => name is "cpu" or "generators", "", problems);
        if (!saved.TryGetValue("generators", out StateNode? node) || node is not StateMap generators)
        {
            problems.AddMissing("generators");
            return;
        }
        foreach (string key in _generators.Keys)
            CheckGenerator(generators, key, $"generators.{key}", size, problems);
        generators.CheckUnexpected(_generators.ContainsKey, "generators.", problems);
    }

    /// <inheritdoc/>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        Set(saved["cpu"], torch.random.set_rng_state);
        StateMap generators = (StateMap)saved["generators"];
        foreach ((string key, torch.Generator generator) in _generators)
            Set(generators[key], generator.set_state);
    }

    private static MemoryTensor Copy(torch.Tensor state)
    {
        using (state)
            return new MemoryTensor(TensorType.U8, state.shape, state.bytes.ToArray());
    }

    private static void Set(StateNode saved, Action<torch.Tensor> set)
    {
        StateTensor tensor = (StateTensor)saved;
        using torch.Tensor state = torch.empty([.. tensor.Shape], torch.uint8);
        TorchTensor.Fill(state, tensor);
        set(state);
    }

    // Torch ends the whole process when size or content is wrong, so both are checked here. Layout:
    // ATen/CPUGeneratorImpl.cpp, CPUGeneratorImplStateLegacy (seed u64, left i32, seeded i32, next u64, state[624], …);
    // rule: at::mt19937::is_valid.
    private static void CheckGenerator(StateMap saved, string name, string entry, int size, RestoreProblems problems)
    {
        const int Words = 624;
        int before = problems.Missing.Count + problems.Mismatched.Count;
        saved.CheckTensor(name, entry, torch.ScalarType.Byte, [size], problems);
        if (problems.Missing.Count + problems.Mismatched.Count != before)
            return;
        byte[] head = new byte[24];
        ((StateTensor)saved[name]).CopyTo(0, head);
        int left = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(8));
        int seeded = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(12));
        ulong next = BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(16));
        if (seeded == 0 || left is < 1 or > Words || next > Words)
            problems.AddMismatched(entry, "a Mersenne Twister state", $"seeded {seeded}, left {left}, next {next}");
    }
}
