namespace Cairn.Layouts.HuggingFace;

/// <summary>The ways in which a model folder of Hugging Face can be bad.</summary>
internal enum HuggingFaceFault
{
    /// <summary>Some of the shards are there, and no index that says which tensor is where.</summary>
    IndexMissing,
    /// <summary>The index is not JSON, or is too large.</summary>
    IndexNotJson,
    /// <summary>The index has no <c>weight_map</c> from names to files, or a name stands twice in it.</summary>
    IndexMalformed,
    /// <summary>The index names a file that is not simply a name in this folder.</summary>
    UnsafePath,
    /// <summary>The index names a file that is not there.</summary>
    MissingShard,
    /// <summary>The index says that a tensor is in a file, and it is in another.</summary>
    TensorElsewhere,
    /// <summary>The index names a tensor that is in no file.</summary>
    MissingTensor,
    /// <summary>A file holds a tensor that another one has, or should have by the index.</summary>
    ExtraTensor,
    /// <summary>A weights file holds something that is no tensor under a name.</summary>
    NotTensors,
}

/// <summary>A model folder of Hugging Face is bad; <see cref="Fault"/> says in which way.</summary>
internal sealed class CorruptHuggingFaceException : CorruptCheckpointException
{
    internal CorruptHuggingFaceException(HuggingFaceFault fault, string path, string what, string expected, string found, string? tensor = null, Exception? cause = null)
        : base($"'{path}': {what}. Expected {expected}, found {Shorten(found)}. Fetch the model again, or repair the index.", cause)
    {
        Fault = fault;
        TensorName = tensor;
        Path = path;
        Expected = expected;
        Found = Shorten(found);
    }

    /// <summary>The way in which it is bad.</summary>
    public HuggingFaceFault Fault { get; }
    /// <summary>The tensor concerned, where there is one.</summary>
    public string? TensorName { get; }

    // A hostile name may be as long as the index.
    internal static string Shorten(string text) => text.Length <= 200 ? text : string.Concat(text.AsSpan(0, 200), "…");
}
