namespace Cairn.Formats.Torch;

/// <summary>A value that a state cannot hold.</summary>
/// <param name="Place">Its path in the file's values.</param>
/// <param name="What">What it is.</param>
internal sealed record UnreadValue(string Place, string What);

/// <summary>A file of PyTorch is whole, and holds a value that a state cannot hold.</summary>
internal sealed class UnreadValueException : CheckpointException
{
    public UnreadValueException(string place, string what)
        : base($"At '{place}' stands what a state cannot hold: {what}. Read the file as values (TorchFile.Root) to reach what is around it.")
    {
        Found = what;
    }
}
