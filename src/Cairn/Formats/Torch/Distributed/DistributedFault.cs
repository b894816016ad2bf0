namespace Cairn.Formats.Torch.Distributed;

/// <summary>The ways in which a distributed checkpoint of PyTorch can be bad.</summary>
internal enum DistributedFault
{
    /// <summary><c>.metadata</c> is missing: the save did not end.</summary>
    MetadataMissing,
    /// <summary><c>.metadata</c> does not hold what it should.</summary>
    MetadataMalformed,
    /// <summary>The metadata does not say where a chunk or value lies.</summary>
    NoStorage,
    /// <summary>The metadata names a file that is not simply a name in this folder.</summary>
    UnsafePath,
    /// <summary>A file that the metadata names is not there.</summary>
    MissingFile,
    /// <summary>A chunk or value is said to reach past its file's end, or is too short for its elements.</summary>
    OutOfFile,
    /// <summary>The chunks of a tensor overlap, leave a hole, or lie outside it.</summary>
    ChunkCover,
    /// <summary>What lies in a file is not what the metadata says.</summary>
    ContentMismatch,
    /// <summary>The names lead to two values at one place, or to a value within a tensor.</summary>
    NameConflict,
    /// <summary>A file was saved with a transformation, such as compression, that is not read.</summary>
    UnsupportedTransform,
}

/// <summary>A distributed checkpoint of PyTorch is bad, or of a kind that is not read; <see cref="Fault"/> says in which way.</summary>
internal sealed class CorruptDistributedCheckpointException : CorruptCheckpointException
{
    internal CorruptDistributedCheckpointException(DistributedFault fault, string path, string what, string expected, string found, string? item = null, Exception? cause = null)
        : base($"'{path}' is not a good distributed checkpoint: {(item is null ? "" : $"'{CorruptTorchFileException.Shorten(item)}': ")}{what}. Expected {expected}, found {CorruptTorchFileException.Shorten(found)}. Restore it from a copy, or take another checkpoint.", cause)
    {
        Fault = fault;
        Item = item;
        Path = path;
        Expected = expected;
        Found = CorruptTorchFileException.Shorten(found);
    }

    /// <summary>The way in which it is bad.</summary>
    public DistributedFault Fault { get; }
    /// <summary>The tensor or value concerned, by its flat name, where there is one.</summary>
    public string? Item { get; }
}
