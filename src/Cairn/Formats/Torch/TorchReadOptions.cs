namespace Cairn.Formats.Torch;

/// <summary>How a file of PyTorch is read.</summary>
public sealed class TorchReadOptions
{
    /// <summary>
    /// Whether an object of an unknown class becomes an opaque <see cref="TorchObject"/> that can be listed but not used, instead of a
    /// <see cref="ForbiddenPickleException"/>. Nothing is executed either way. What is nested too deeply, contains itself or stands for far more values than the file has
    /// becomes a value that says so and nothing else, instead of an error for the whole file. Default: <see langword="false"/>.
    /// </summary>
    public bool AllowOpaque { get; init; }

    internal static TorchReadOptions Default { get; } = new();
}
