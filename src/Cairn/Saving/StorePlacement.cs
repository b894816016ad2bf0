using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Moves and removes whole copies within a store that cannot rename.</summary>
internal sealed class StorePlacement(IRunStore store)
{
    private readonly StoreFiles _files = new(store);

    /// <summary>Copies what stands in a folder to <c>abandoned/</c> or another folder of the run, removes it, and gives its new place.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="attempt">What stays: the new attempt.</param>
    /// <param name="name">The name to give it, as far as it is free.</param>
    /// <param name="into">That folder.</param>
    public string MoveAside(string folder, string attempt, string name, string into = RunFolder.Abandoned)
    {
        string aside = CarryAside(folder, entry => entry.Name != attempt, name, into);
        DeleteAll(folder, entry => entry.Name != attempt);
        return aside;
    }

    /// <summary>Copies what is meant of a folder to another folder of the run, and gives its new place.</summary>
    public string CarryAside(string folder, Func<FileSystemEntry, bool> isMeant, string name, string into)
    {
        string aside = CopyPlacement.FreeAside(_files, name, into);
        Carry(folder, aside, isMeant);
        return aside;
    }

    /// <summary>Removes what stands in a folder, the marks first: a folder that is half removed must not look like a copy.</summary>
    public void DeleteAll(string folder, Func<FileSystemEntry, bool>? isMeant = null)
    {
        foreach (FileSystemEntry entry in _files.List(folder).Where(entry => isMeant?.Invoke(entry) != false).OrderByDescending(CopyMarks.IsMark))
        {
            if (entry.IsFolder)
                DeleteAll($"{folder}/{entry.Name}");
            else
                Delete($"{folder}/{entry.Name}");
        }
    }

    /// <summary>Removes an object; nothing happens when there is none.</summary>
    public void Delete(string path) => StoreCall.Wait(() => store.DeleteAsync(path));

    // The marks last: a folder that is half there must not look like a copy.
    private void Carry(string from, string to, Func<FileSystemEntry, bool> isMeant)
    {
        foreach (FileSystemEntry entry in _files.List(from).Where(isMeant).OrderBy(CopyMarks.IsMark))
        {
            string source = $"{from}/{entry.Name}", target = $"{to}/{entry.Name}";
            if (entry.IsFolder)
                Carry(source, target, static _ => true);
            else
                FileCopying.Run(_files, source, length => new StoreFileWriter(store, target, length), target);
        }
    }
}
