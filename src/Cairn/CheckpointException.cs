namespace Cairn;

/// <summary>A checkpoint could not be written, found, verified or restored. The message says what happened, where, and what to do; it can be shown on a terminal as it is.</summary>
public class CheckpointException : Exception
{
    /// <summary>With a message.</summary>
    public CheckpointException(string message) : base(PrintableText.Of(message)) { }
    /// <summary>With a message and the cause.</summary>
    public CheckpointException(string message, Exception? innerException) : base(PrintableText.Of(message), innerException) { }

    /// <summary>The step concerned, where there is one.</summary>
    public long? Step { get; init; }
    /// <summary>The file or folder concerned, relative to the run where possible.</summary>
    public string? Path { get; init; }
    /// <summary>The rank on which it happened.</summary>
    public int? Rank { get; init; }
    /// <summary>What was expected.</summary>
    public string? Expected { get; init; }
    /// <summary>What was found.</summary>
    public string? Found { get; init; }
    /// <summary>Whether the same call may succeed later without a change: a full disk, a lost connection, a lock that another process holds.</summary>
    public virtual bool IsTransient { get; init; }
}

/// <summary>A file is not what it should be: cut, altered, or not of its format. Nothing of it was used.</summary>
public class CorruptCheckpointException(string message, Exception? innerException = null) : CheckpointException(message, innerException);

/// <summary>
/// A copy was replaced or removed while it was read: the training that writes the run has made a newer one meanwhile. What was read so far is not to be
/// used; reading the run again finds what stands there now.
/// </summary>
public sealed class CopyChangedException(string message) : CheckpointException(message)
{
    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary>A saved state does not fit the objects that take it. Nothing was changed.</summary>
public class StateMismatchException : CheckpointException
{
    /// <summary>With what did not fit.</summary>
    public StateMismatchException(string message, State.RestoreProblems problems) : base(message) => Problems = problems;
    /// <summary>All that did not fit.</summary>
    public State.RestoreProblems Problems { get; }
}

/// <summary>The store refused: no space, no permission, no connection.</summary>
public class StoreException(string message, Exception? innerException = null) : CheckpointException(message, innerException);

/// <summary>
/// This process lost the run to another one, because it slept for longer than its lease or because the lock's file was removed or replaced. It can
/// save nothing any more, so that it does not write into what the other one writes. Ends only with the process.
/// </summary>
public class RunLockLostException(string message) : RunLockedException(message)
{
    /// <inheritdoc/>
    public override bool IsTransient => false;
}

/// <summary>The end was not saved because training ended in the middle of a batch: the state may be half updated. Stands in a <see cref="SaveReport"/>; it is not thrown.</summary>
public class UnfinishedBatchException(string why) : CheckpointException($"The end was not saved: {why}. The copies before it stand.");

/// <summary>Another process is writing this run.</summary>
public class RunLockedException(string message) : CheckpointException(message)
{
    /// <summary>Process id of the holder, where known.</summary>
    public int? HolderProcessId { get; init; }
    /// <summary>Host of the holder, where known.</summary>
    public string? HolderHost { get; init; }
    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary>A part of the state has lost tensors since it was last captured, so that saving it would replace good state by less. Nothing was saved or retired.</summary>
public class LostContentException : CheckpointException
{
    private const int MostNamed = 5;

    internal LostContentException(string part, IReadOnlyList<string> entries, int of) : base(Describe(part, entries, of)) => (Part, Entries) = (part, entries);

    /// <summary>The part.</summary>
    public string Part { get; }
    /// <summary>The tensors that are gone or smaller, by name; empty when the part had none, and has nothing at all now.</summary>
    public IReadOnlyList<string> Entries { get; }

    private static string Describe(string part, IReadOnlyList<string> entries, int of)
    {
        string lost = entries.Count == 0 ? "all of its values"
            : $"{entries.Count} of its {of} tensors: {string.Join(", ", entries.Take(MostNamed))}{(entries.Count > MostNamed ? ", …" : "")}";
        return $"The part '{part}' has lost {lost}. It was not saved, and the copies before it stand. If its object was disposed, dispose it after the manager. "
            + $"If the program made it smaller on purpose, call AcceptSmallerPart(\"{part}\") once; a part whose tensors come and go says so by MayShrink.";
    }
}
