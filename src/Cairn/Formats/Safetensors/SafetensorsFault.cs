namespace Cairn.Formats.Safetensors;

/// <summary>The ways in which a safetensors file can be bad.</summary>
internal enum SafetensorsFault
{
    /// <summary>The file is shorter than the 8 bytes that give the header's length.</summary>
    FileTooShort,
    /// <summary>The header is said to be longer than <see cref="SafetensorsHeader.MaxLength"/>.</summary>
    HeaderTooLarge,
    /// <summary>The header is said to reach past the end of the file.</summary>
    HeaderBeyondFile,
    /// <summary>The header does not start with <c>{</c>.</summary>
    HeaderStart,
    /// <summary>The header is not UTF-8.</summary>
    HeaderNotUtf8,
    /// <summary>The header is not JSON, or nested too deeply.</summary>
    HeaderNotJson,
    /// <summary>A name stands twice.</summary>
    DuplicateName,
    /// <summary><c>__metadata__</c> is not a map of strings.</summary>
    MetadataNotStrings,
    /// <summary>A tensor's entry lacks a field or has one of the wrong kind.</summary>
    MalformedEntry,
    /// <summary>A tensor's element type is not known.</summary>
    UnknownType,
    /// <summary>A tensor does not begin where the one before ends, or ends before it begins.</summary>
    InvalidOffsets,
    /// <summary>A tensor's size does not fit 64 bits.</summary>
    SizeOverflow,
    /// <summary>A tensor's elements do not fill whole bytes.</summary>
    PartialByte,
    /// <summary>A tensor's shape and type give another length than its offsets.</summary>
    SizeMismatch,
    /// <summary>The tensors end before or after the end of the file.</summary>
    DataLength,
    /// <summary>The file ended while it was being read: it was cut after it was opened.</summary>
    Truncated,
}

/// <summary>A safetensors file is bad; <see cref="Fault"/> says in which way.</summary>
internal sealed class CorruptSafetensorsException : CorruptCheckpointException
{
    internal CorruptSafetensorsException(SafetensorsFault fault, string path, string? tensor, string what, string expected, string found, Exception? cause = null)
        : base($"'{path}' is not a good safetensors file: {(tensor is null ? "" : $"tensor '{Shorten(tensor)}': ")}{what}. Expected {expected}, found {Shorten(found)}. Restore the file from a copy, or resume from another checkpoint.", cause)
    {
        Fault = fault;
        TensorName = tensor;
        Path = path;
        Expected = expected;
        Found = Shorten(found);
    }

    /// <summary>The way in which the file is bad.</summary>
    public SafetensorsFault Fault { get; }
    /// <summary>The tensor concerned, where there is one.</summary>
    public string? TensorName { get; }

    // A hostile name may be as long as the header.
    private static string Shorten(string text) => text.Length <= 200 ? text : string.Concat(text.AsSpan(0, 200), "…");
}
