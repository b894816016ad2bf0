using System.Globalization;

namespace Cairn.Formats.Torch;

/// <summary>
/// A tensor of a class of its own that holds other tensors (<c>torch.Tensor._make_wrapper_subclass</c>), above all a rank's part of a
/// <see href="https://docs.pytorch.org/docs/stable/distributed.tensor.html">DTensor</see>. Source: <c>_rebuild_wrapper_subclass</c> in <c>torch/_utils.py</c>.
/// </summary>
internal sealed class WrappedTensor
{
    private const string Local = "_local_tensor", Spec = "_spec";

    private WrappedTensor(TorchGlobal type, TorchList arguments, IReadOnlyList<(string Name, TorchValue Value)> attributes) => (Type, Arguments, Attributes) = (type, arguments, attributes);

    private TorchGlobal Type { get; }
    private TorchList Arguments { get; }
    private IReadOnlyList<(string Name, TorchValue Value)> Attributes { get; }

    /// <summary>The tensor that an object is; <see langword="null"/> when it is none.</summary>
    public static WrappedTensor? Of(TorchObject made) => made is { Type: { Module: "torch._tensor", Name: "_rebuild_from_type_v2" }, Arguments: [TorchGlobal { Module: "torch._utils", Name: "_rebuild_wrapper_subclass" }, TorchGlobal type, TorchList { Count: >= 4 } inner, var state] }
        ? new WrappedTensor(type, inner, [.. AttributesOf(state)]) : null;

    /// <summary>The whole tensor, where the rank that saved it has all of it: of a DTensor that no mesh cuts.</summary>
    public TorchTensorValue? Whole => Find(Local) is TorchTensorValue local && SpecOf is { } spec && IsUncut(spec) && Arguments[2] is TorchList sizes && sizes.Select(size => (size as TorchScalar)?.Value as long?).SequenceEqual(local.Data.Shape.Select(size => (long?)size)) ? local : null;

    /// <summary>What it is, for people.</summary>
    public string Describe => SpecOf is { } spec
        ? $"a rank's part of a tensor of {CorruptTorchFileException.Shorten(Type.ToString())}, shape {Sizes}, placed {string.Join(", ", Placements(spec))} (save its full_tensor(), or a distributed checkpoint)"
        : $"a tensor of {CorruptTorchFileException.Shorten(Type.ToString())}, shape {Sizes}, which holds {(Attributes.Count == 0 ? "nothing" : string.Join(", ", Attributes.Take(4).Select(attribute => CorruptTorchFileException.Shorten(attribute.Name))))}";

    /// <summary>What a state says of it.</summary>
    public IEnumerable<(string Name, TorchValue Value)> Named()
    {
        yield return ("class", Type.ToString());
        yield return ("shape", Arguments[2]);
        yield return ("dtype", Arguments[1]);
        if (SpecOf is { } spec)
        {
            yield return ("placements", new TorchList(TorchListKind.List, Placements(spec).Select(placement => (TorchValue)placement)));
            if (Mesh(spec) is { } mesh)
                yield return ("mesh", mesh);
            if (Find(Local) is { } local)
                yield return ("local", local);
            yield break;
        }
        var attributes = new TorchMap();
        foreach ((string name, TorchValue value) in Attributes)
            attributes[name] = value;
        yield return ("attributes", attributes);
    }

    private string Sizes => $"[{string.Join(", ", (Arguments[2] as IEnumerable<TorchValue> ?? []).Take(8))}]";

    private TorchMap? SpecOf => (Find(Spec) as TorchObject)?.State as TorchMap;

    private TorchValue? Find(string name) => Attributes.Where(attribute => attribute.Name == name).Select(attribute => attribute.Value).FirstOrDefault();

    private static bool IsUncut(TorchMap spec) => Mesh(spec) is { Data.Shape: var mesh } && mesh.All(size => size == 1)
        || (spec.Find("placements") is TorchList { Count: > 0 } placements && placements.All(placement => placement is TorchObject { Type.Name: "Replicate" }));

    private static TorchTensorValue? Mesh(TorchMap spec) => ((spec.Find("mesh") as TorchObject)?.State as TorchMap)?.Find("mesh") as TorchTensorValue;

    private static IEnumerable<string> Placements(TorchMap spec) => (spec.Find("placements") as IEnumerable<TorchValue> ?? []).Take(16).Select(placement => placement is TorchObject made
        ? $"{CorruptTorchFileException.Shorten(made.Type.Name)}({string.Join(", ", (made.State as IEnumerable<KeyValuePair<TorchValue, TorchValue>> ?? []).Take(4).Select(value => string.Create(CultureInfo.InvariantCulture, $"{CorruptTorchFileException.Shorten(value.Key.ToString()!)}={CorruptTorchFileException.Shorten(value.Value.ToString()!)}")))})"
        : CorruptTorchFileException.Shorten(placement.ToString()!));

    // The attributes, and those in slots.
    private static IEnumerable<(string Name, TorchValue Value)> AttributesOf(TorchValue state) => state switch
    {
        TorchMap map => map.Where(entry => entry.Key is TorchScalar { Value: string }).Select(entry => ((string)((TorchScalar)entry.Key).Value!, entry.Value)),
        TorchList { Kind: TorchListKind.Tuple, Count: 2 } pair when pair.All(half => half is TorchMap or TorchScalar { Value: null }) => pair.OfType<TorchMap>().SelectMany(AttributesOf),
        _ => [],
    };
}
