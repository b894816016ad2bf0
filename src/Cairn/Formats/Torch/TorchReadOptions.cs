namespace Cairn.Formats.Torch;

/// <summary>How a file of PyTorch is read.</summary>
public sealed class TorchReadOptions
{
    /// <summary>
    /// Whether an object of an unknown class becomes an opaque <see cref="TorchObject"/> that can be listed but not used, instead of a
    /// <see cref="ForbiddenPickleException"/>. Nothing is executed either way. Default: <see langword="false"/>.
    /// </summary>
    public bool AllowOpaque { get; init; }

    internal static TorchReadOptions Default { get; } = new();
}
