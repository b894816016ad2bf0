namespace Cairn.Stores;

/// <summary>A store that keeps what a process which died has written of an object, although no listing shows it. A store implements this beside <see cref="IRunStore"/>.</summary>
public interface IUnfinishedObjects
{
    /// <summary>Removes what was begun of objects and never completed. Called when a run starts, by the one process that may write it, before anything is saved.</summary>
    /// <param name="isMeant">Says of an object's path whether it may go: another run may stand in a folder of this one.</param>
    /// <param name="cancellationToken">Ends it between two objects.</param>
    ValueTask RemoveUnfinishedAsync(Func<string, bool> isMeant, CancellationToken cancellationToken = default);
}
