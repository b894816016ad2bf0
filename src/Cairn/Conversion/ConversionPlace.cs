using Cairn.Layouts.PyTorch;
using Cairn.Stores;

namespace Cairn.Conversion;

/// <summary>
/// Where a conversion writes. Where nothing stands, that is the destination. What stands there is not touched until the new files are complete, durable and
/// verified in a folder beside it; then the two change places in one step, and the old ones go.
/// </summary>
/// <param name="files">The file system.</param>
/// <param name="destination">The folder in which the files stand at the end; empty for the root.</param>
/// <param name="beside">The folder beside.</param>
/// <param name="file">The one file that is the destination; <see langword="null"/> when the folder is.</param>
/// <param name="keepsOthers">Whether what a folder holds besides the model belongs to its owner and is kept: a tokenizer, notes, a repository.</param>
internal sealed class ConversionPlace(IFileSystem files, string destination, string beside, string? file = null, bool keepsOthers = false)
{
    private readonly string _ledgerName = file is null ? ConversionLedger.FileName : $".{file}{ConversionLedger.FileName}";
    private bool _isBeside;

    /// <summary>The file system.</summary>
    public IFileSystem Files => files;
    /// <summary>Where the files stand at the end.</summary>
    public string Destination => destination;
    /// <summary>The destination as a person would write it.</summary>
    public string FullPath => Join(files.Root, Join(destination, file ?? ""));
    /// <summary>The folder that is written now.</summary>
    public string Folder => _isBeside ? beside : destination;

    /// <summary>The path of a file of the folder that is written.</summary>
    public string In(string name) => Join(Folder, name);

    /// <summary>Finds what an earlier conversion left, and decides where to write.</summary>
    /// <param name="plan">What the conversion is known by.</param>
    /// <param name="mayReplace">Called when something stands at the destination; throws unless it may be replaced.</param>
    /// <returns>What is written already.</returns>
    public ConversionLedger Prepare(string plan, Action mayReplace)
    {
        files.CreateFolder("");
        EndEarlierSwap();
        var ledger = ConversionLedger.Open(files, Join(destination, _ledgerName), plan);
        if (ledger.IsResumed)
            return ledger;
        mayReplace();
        if (IsTaken())
        {
            if (destination.Length == 0 && file is null)
                throw new CheckpointException($"{files.Root} is not empty, and this store cannot swap it as a whole. Give another destination.") { Path = files.Root };
            _isBeside = true;
            ledger = ConversionLedger.Open(files, In(_ledgerName), plan);
            if (!ledger.IsResumed)
                files.DeleteFolder(beside);
        }
        if (Folder.Length > 0)
            files.CreateFolder(Folder);
        files.SyncFolder(StorePath.Parent(Folder));
        return ledger;
    }

    /// <summary>Gives the new files the place of the old. A kill before leaves the old, a kill after the new.</summary>
    /// <param name="ledger">What was written; nothing is left of it afterwards.</param>
    public void Finish(ConversionLedger ledger)
    {
        files.SyncFolder(Folder);
        if (_isBeside)
        {
            if (file is not null)
                files.Move(In(file), Join(destination, file));
            else
                Swap();
            files.SyncFolder(file is null ? StorePath.Parent(destination) : destination);
            if (file is null)
                TakeOthers();
            files.DeleteFolder(beside);
            _isBeside = false;
        }
        ledger.Delete();
        files.DeleteFile(Join(destination, _ledgerName));
        files.SyncFolder(destination);
    }

    private bool IsTaken() => file is not null ? files.FileExists(Join(destination, file)) : files.List(destination).Any(entry => !ConversionLedger.IsLeftOver(entry.Name));

    private void Swap()
    {
        if (files.CanExchange)
        {
            files.Exchange(beside, destination);
            return;
        }
        string aside = beside + ".replaced";
        files.DeleteFolder(aside);
        files.Move(destination, aside);
        files.Move(beside, destination);
        files.Move(aside, beside);
    }

    private void TakeOthers()
    {
        if (!keepsOthers)
            return;
        HashSet<string> taken = files.List(destination).Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        foreach (FileSystemEntry old in files.List(beside))
        {
            if (!taken.Contains(old.Name) && !DistributedLayout.IsState(old.Name) && !old.Name.EndsWith(FileConversion.Partial, StringComparison.Ordinal) && old.Name != ConversionLedger.FileName && !ConversionLedger.IsLeftOver(old.Name))
                files.Move(Join(beside, old.Name), Join(destination, old.Name));
        }
        files.SyncFolder(destination);
    }

    // Killed after the exchange: what lies beside is the old content, which has no ledger.
    private void EndEarlierSwap()
    {
        string aside = beside + ".replaced";
        if (file is null && destination.Length > 0 && files.FolderExists(aside))
        {
            if (!files.FolderExists(destination))
                files.Move(aside, destination);
            else if (!files.FolderExists(beside))
                files.Move(aside, beside);
        }
        if (file is not null || !files.FolderExists(beside) || files.FileExists(Join(beside, _ledgerName)))
            return;
        if (destination.Length > 0 && files.FolderExists(destination))
            TakeOthers();
        files.DeleteFolder(beside);
    }

    private static string Join(string folder, string name) => folder.Length == 0 ? name : name.Length == 0 ? folder : $"{folder}/{name}";
}
