namespace Cairn.Formats.Torch;

/// <summary>A file of PyTorch is bad, or of a kind that is not read; <see cref="Fault"/> says in which way.</summary>
internal sealed class CorruptTorchFileException : CorruptCheckpointException
{
    private const string DamageAdvice = "Restore the file from a copy, or resume from another checkpoint.";
    private const string KindAdvice = "That is no damage: load the file with PyTorch, and save it again without what is not read.";

    internal CorruptTorchFileException(TorchFault fault, string path, string what, string expected, string found, string? advice = null, Exception? cause = null)
        : base($"'{path}' {(IsOfKind(fault) ? "cannot be read" : "is not a good PyTorch file")}: {what}. Expected {expected}, found {Shorten(found)}. {advice ?? (IsOfKind(fault) ? KindAdvice : DamageAdvice)}", cause)
    {
        What = what;
        Fault = fault;
        Path = path;
        Expected = expected;
        Found = Shorten(found);
    }

    /// <summary>The way in which the file is bad.</summary>
    public TorchFault Fault { get; }

    /// <summary>What is wrong, without the file's name.</summary>
    internal string What { get; }

    /// <summary>Whether the file may be whole, and only is of a kind that is not read.</summary>
    internal bool IsUnsupported => IsOfKind(Fault);

    private static bool IsOfKind(TorchFault fault) => fault is TorchFault.BigEndian or TorchFault.TorchScript or TorchFault.Tar or TorchFault.UnsupportedTensor
        or TorchFault.CompressedRecord or TorchFault.EncryptedRecord or TorchFault.Version or TorchFault.TooDeep or TorchFault.TooLarge or TorchFault.Cycle;

    // A hostile name may be as long as the file.
    internal static string Shorten(string text) => text.Length <= 200 ? text : string.Concat(text.AsSpan(0, 200), "…");
}

/// <summary>
/// A pickle names a class or function that is not known to be plain data. Loaded by Python's <c>pickle</c> it could run any code; here nothing
/// was called, and nothing of the file was used.
/// </summary>
public sealed class ForbiddenPickleException : CorruptCheckpointException
{
    internal ForbiddenPickleException(string path, string callable)
        : base($"'{path}' asks for '{CorruptTorchFileException.Shorten(callable)}', which is not on the list of plain data, so nothing of the file was used and nothing was called. "
            + $"If you trust its origin, save it again with tensors, numbers, texts, lists and dicts only; to look at the rest of it, allow opaque values ({nameof(TorchReadOptions)}.{nameof(TorchReadOptions.AllowOpaque)}).")
    {
        Callable = CorruptTorchFileException.Shorten(callable);
        Path = path;
        Expected = "plain data";
        Found = Callable;
    }

    /// <summary>The class or function, with its module.</summary>
    public string Callable { get; }
}
