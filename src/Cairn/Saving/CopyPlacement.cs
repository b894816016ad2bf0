using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// Moves whole copies within a run, by renames where the store allows them. Where the folder of the snapshots is a link or mount to another file system, a copy is
/// carried over and later ones are staged there; where an overlay keeps a folder in a lower layer, which can be removed but not renamed, the folder is removed. At
/// every moment a complete copy stands either under its name or in a staging folder, where <see cref="RenamePublisher.Recover"/> finds it.
/// </summary>
internal sealed class CopyPlacement(IFileSystem files)
{
    /// <summary>Where snapshots are staged when their folder is on another file system.</summary>
    private const string BesideSlots = RunFolder.Snapshots + "/" + RunFolder.Staging;
    private const string MovedAside = ".replaced";

    /// <summary>All folders in which copies are staged.</summary>
    public static IReadOnlyList<string> StagingFolders { get; } = [RunFolder.Staging, BesideSlots];

    /// <summary>Whether the snapshots' folder was found to be on another file system than the run.</summary>
    public bool SnapshotsApart { get; private set; }

    /// <summary>The folder in which copies of a tier are staged.</summary>
    public string StagingOf(SaveKind kind) => kind == SaveKind.Snapshot && SnapshotsApart ? BesideSlots : RunFolder.Staging;

    /// <summary>Whether a staged folder holds what was replaced, and not a new copy.</summary>
    public static bool IsMovedAside(string staged) => staged.EndsWith(MovedAside, StringComparison.Ordinal);

    /// <summary>
    /// Makes durable which copy has which name, and which are pinned. A process that was killed may have left a name that a power cut would still take back, and nothing may be built on it or removed for it before.
    /// </summary>
    public void SyncFolders()
    {
        foreach (string folder in (IEnumerable<string>)[.. StagingFolders, RunFolder.Snapshots, RunFolder.Kept, RunFolder.Abandoned, RunFolder.Pins, ""])
        {
            if (files.FolderExists(folder))
                files.SyncFolder(folder);
        }
    }

    /// <summary>Gives a staged copy its name, which is free.</summary>
    public void Place(string staged, string target)
    {
        if (TryRename(staged, target))
            return;
        if (StorePath.Parent(target) != RunFolder.Snapshots || !TryRename(Beside(staged), target))
            throw new StoreException($"'{staged}' cannot be renamed to '{target}' in {files.Root}: they are on different file systems. Make {RunFolder.Staging} a plain folder of the run.") { Path = target };
    }

    /// <summary>Puts a staged copy in the place of a slot.</summary>
    /// <returns>The folder in which that lies which was there; <see langword="null"/> when it is gone.</returns>
    public string? Replace(string staged, string slot)
    {
        if (TryReplace(staged, slot))
            return staged;
        string beside = Beside(staged);
        if (TryReplace(beside, slot))
            return beside;
        Remove(slot);
        Rename(beside, slot);
        return null;
    }

    /// <summary>Moves a file that has the name of a copy to <c>abandoned/</c>, if there is one: no copy can have its name before.</summary>
    public void FreeFromFile(string target, string name, List<string> notes)
    {
        if (files.FileExists(target))
            notes.Add($"{target} was a file in the way of a copy and is now {MoveAside(target, name)}");
    }

    /// <summary>Moves a copy that stands in the way to <c>abandoned/</c> or another folder of the run, and gives its new place.</summary>
    public string MoveAside(string folder, string name, string into = RunFolder.Abandoned)
    {
        EnsureFolder(into);
        string aside = FreeAside(files, name, into);
        if (!TryRename(folder, aside))
        {
            Carry(folder, aside);
            Remove(folder);
        }
        return aside;
    }

    /// <summary>A name in a folder of the run that nothing has.</summary>
    public static string FreeAside(IFileSource files, string name, string into)
    {
        string aside = $"{into}/{name}";
        for (int n = 1; files.FolderExists(aside) || files.FileExists(aside); n++)
            aside = $"{into}/{name}.{n}";
        return aside;
    }

    /// <summary>Removes a copy: it loses its name at once, and its bytes after that.</summary>
    /// <param name="folder">The copy.</param>
    /// <param name="isNeeded">Asked of the folder in which it stands when it has lost its name: whether it gets it back.</param>
    /// <returns>Whether it is gone.</returns>
    public bool Retire(string folder, Func<string, bool> isNeeded)
    {
        // For most that are needed this is known before they are touched.
        if (isNeeded(folder))
            return false;
        string retired = $"{RunFolder.Staging}/retired-{folder}";
        files.CreateFolder(RunFolder.Staging);
        files.DeleteFolder(retired);
        if (!TryRename(folder, retired))
        {
            Remove(folder);
            return true;
        }
        if (isNeeded(retired))
        {
            Rename(retired, folder);
            return false;
        }
        files.DeleteFolder(retired);
        return true;
    }

    /// <summary>Makes a folder of the run or below one, durably.</summary>
    public void EnsureFolder(string folder)
    {
        if (files.FolderExists(folder))
            return;
        string parent = StorePath.Parent(folder);
        if (parent.Length > 0)
            EnsureFolder(parent);
        files.CreateFolder(folder);
        files.SyncFolder(parent);
    }

    private bool TryReplace(string staged, string slot)
    {
        if (files.CanExchange)
        {
            try
            {
                files.Exchange(staged, slot);
                Sync(staged, slot);
                return true;
            }
            catch (IOException e) when (RenameFault.IsAcrossFileSystems(e))
            {
                return false;
            }
            catch (IOException e) when (RenameFault.IsUnsupported(e))
            {
                // The slots' file system is another one, or the exchange is not for these folders: two renames do as well.
            }
        }
        string aside = staged + MovedAside;
        files.DeleteFolder(aside);
        if (!TryRename(slot, aside))
            return false;
        try
        {
            Rename(staged, slot);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            PutBack(aside, slot);
            throw;
        }
        files.Move(aside, staged);
        return true;
    }

    private void PutBack(string aside, string slot)
    {
        try
        {
            if (!files.FolderExists(slot))
                Rename(aside, slot);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Recover does it at the next start.
        }
    }

    // The staged copy in a folder beside the slots, from which a rename into a slot stays within one file system.
    private string Beside(string staged)
    {
        string beside = $"{BesideSlots}/{staged[(staged.LastIndexOf('/') + 1)..]}";
        if (beside == staged)
            return staged;
        EnsureFolder(BesideSlots);
        files.DeleteFolder(beside);
        if (!TryRename(staged, beside))
        {
            Carry(staged, beside);
            SnapshotsApart = true;
            Remove(staged);
        }
        return beside;
    }

    /// <summary>Removes a copy, the marks first: a folder that is half removed must not look like one.</summary>
    public void Remove(string folder)
    {
        CopyMarks.Remove(files, folder);
        files.DeleteFolder(folder);
        files.SyncFolder(StorePath.Parent(folder));
    }

    // The marks last: a folder that is half there must not look like a copy.
    private void Carry(string from, string to)
    {
        files.CreateFolder(to);
        foreach (FileSystemEntry entry in files.List(from).OrderBy(CopyMarks.IsMark))
        {
            string source = $"{from}/{entry.Name}", target = $"{to}/{entry.Name}";
            if (entry.IsFolder)
                Carry(source, target);
            else
                FileCopying.Run(files, source, length => files.OpenWrite(target, length), target);
        }
        files.SyncFolder(to);
        files.SyncFolder(StorePath.Parent(to));
    }

    private bool TryRename(string from, string to)
    {
        try
        {
            Rename(from, to);
            return true;
        }
        catch (IOException e) when (RenameFault.IsAcrossFileSystems(e))
        {
            return false;
        }
    }

    private void Rename(string from, string to)
    {
        files.Move(from, to);
        Sync(from, to);
    }

    // Where the new name is, first.
    private void Sync(string from, string to)
    {
        string gained = StorePath.Parent(to), lost = StorePath.Parent(from);
        files.SyncFolder(gained);
        if (lost != gained)
            files.SyncFolder(lost);
    }
}
