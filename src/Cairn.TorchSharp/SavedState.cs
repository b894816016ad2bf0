using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>Reading and checking what a part finds in a saved state.</summary>
internal static class SavedState
{
    /// <summary>Refuses a state that the part cannot take, before anything is written.</summary>
    public static void RequireFit(IStatePart part, StateMap saved)
    {
        ArgumentNullException.ThrowIfNull(saved);
        RestoreProblems problems = new();
        part.Check(saved, problems);
        if (problems.None)
            return;
        string all = string.Join("; ",
            problems.Missing.Select(entry => $"missing {entry}")
                .Concat(problems.Unexpected.Select(entry => $"unexpected {entry}"))
                .Concat(problems.Mismatched));
        throw new StateMismatchException($"The saved state of '{part.Name}' does not fit; nothing was changed. Build the same objects as when it was saved. {all}", problems);
    }

    /// <summary>Reports a tensor that lacks or has another type or shape.</summary>
    public static void CheckTensor(this StateMap saved, string name, string entry, torch.ScalarType dtype, long[] shape, RestoreProblems problems)
    {
        if (!saved.TryGetValue(name, out StateNode? node))
            problems.AddMissing(entry);
        else
            CheckTensor(node, entry, dtype, shape, problems);
    }

    public static void CheckTensor(StateNode node, string entry, torch.ScalarType dtype, long[] shape, RestoreProblems problems)
    {
        TensorType type = dtype.ToTensorType();
        if (node is not StateTensor tensor || tensor.Type != type || !tensor.Shape.SequenceEqual(shape))
            problems.AddMismatched(entry, TorchTensor.Describe(type, shape), Describe(node));
    }

    /// <summary>Reports a scalar that lacks or is not of the type <typeparamref name="T"/>: <see cref="bool"/>, <see cref="long"/>, <see cref="double"/> or <see cref="string"/>.</summary>
    public static bool CheckScalar<T>(this StateMap saved, string name, string entry, RestoreProblems problems, Func<T, bool>? fits = null, string? expected = null)
    {
        if (!saved.TryGetValue(name, out StateNode? node))
        {
            problems.AddMissing(entry);
            return false;
        }
        if (TryRead(node, out T? value) && (fits is null || fits(value!)))
            return true;
        problems.AddMismatched(entry, expected ?? typeof(T).Name, Describe(node));
        return false;
    }

    public static void CheckUnexpected(this StateMap saved, Predicate<string> known, string prefix, RestoreProblems problems)
    {
        foreach (string name in saved.Keys)
        {
            if (!known(name))
                problems.AddUnexpected(prefix + name);
        }
    }

    public static T Read<T>(this StateMap saved, string name) =>
        TryRead(saved[name], out T? value) ? value! : throw new CheckpointException($"The saved entry '{name}' is {Describe(saved[name])}, not a {typeof(T).Name}. The checkpoint was not written for this part; take another one.");

    // JSON writes 1.0 as 1, so a whole number is a good double.
    public static bool TryRead<T>(StateNode node, out T? value)
    {
        object? found = (node as StateScalar)?.Value;
        if (found is long whole && typeof(T) == typeof(double))
            found = (double)whole;
        value = found is T fit ? fit : default;
        return found is T;
    }

    public static string Describe(StateNode node) => node switch
    {
        StateTensor tensor => tensor.ToString(),
        StateScalar { Value: null } => "null",
        StateScalar scalar => $"{scalar.Value} ({scalar.Value!.GetType().Name})",
        StateMap map => $"a map of {map.Count}",
        StateList list => $"a list of {list.Count}",
        _ => node.GetType().Name,
    };
}
