using System.Collections.Concurrent;
using System.Reflection;
using TorchSharp;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>
/// The values that TorchSharp's optimizers keep: public fields of their nested State (per parameter) and Options (per
/// group). By reflection, as there is no common access and so that optimizers derived by users work too.
/// </summary>
internal static class OptimizerFields
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> Cache = new();

    /// <summary>Tensors that come into being during training, or only with an option: absent is a valid state.</summary>
    private static readonly HashSet<string> Optional = new(StringComparer.Ordinal) { "SGD.momentum_buffer", "Adam.max_exp_avg_sq", "AdamW.max_exp_avg_sq" };

    /// <summary>Fields of type <see cref="long"/>, <see cref="double"/> or <see cref="torch.Tensor"/>.</summary>
    public static FieldInfo[] OfState(OptimizerState state) => Cache.GetOrAdd(state.GetType(), type =>
        PublicFields(type, typeof(long), typeof(double), typeof(torch.Tensor)));

    /// <summary>Fields of type <see cref="double"/> or <see cref="bool"/>, nullable or not.</summary>
    public static FieldInfo[] OfOptions(OptimizerOptions options) => Cache.GetOrAdd(options.GetType(), type =>
        PublicFields(type, typeof(double), typeof(bool)));

    public static bool MayBeAbsent(OptimizerState state, FieldInfo field) =>
        Optional.Contains($"{state.GetType().DeclaringType?.Name}.{field.Name}");

    public static Type ValueType(FieldInfo field) => Nullable.GetUnderlyingType(field.FieldType) ?? field.FieldType;

    private static FieldInfo[] PublicFields(Type type, params Type[] supported)
    {
        FieldInfo[] fields = [.. type.GetFields(BindingFlags.Public | BindingFlags.Instance).OrderBy(field => field.MetadataToken)];
        foreach (FieldInfo field in fields)
        {
            if (!supported.Contains(ValueType(field)))
                throw new CheckpointException($"The field '{field.Name}' of {type} is a {field.FieldType}; only {string.Join(", ", supported.Select(known => known.Name))} can be saved. Save this optimizer with an IStatePart of your own.");
        }
        return fields;
    }
}
