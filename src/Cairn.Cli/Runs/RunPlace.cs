using Cairn.Checkpoints;
using Cairn.Cli.Listing;
using Cairn.Journal;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Cli.Runs;

/// <summary>Opens a run, in a folder or a store, that may have no copy yet.</summary>
internal static class RunPlace
{
    /// <exception cref="CheckpointException">There is no such folder, or no run of Cairn in it.</exception>
    public static IRunFiles Open(string path)
    {
        string full = CopyListing.FullPath(path);
        IRunFiles files = RunHome.Of(new CheckpointOptions { Folder = full }).Files;
        if (!files.FolderExists(""))
            throw new CheckpointException($"There is no folder {full}. Give the folder of a run.") { Path = full };
        return files.FileExists(RunFolder.Record) || JournalFile.Exists(files)
            ? files
            : throw new CheckpointException($"{full} is not the folder of a run of Cairn: there is neither {RunFolder.Record} nor {RunFolder.Journal} in it.") { Path = full };
    }

    /// <summary>Where the run at a path lives, to change something in it; <see langword="null"/> when no run of Cairn is there. What a process that trains it may replace meanwhile is not read.</summary>
    public static IRunHome? HomeOf(string path)
    {
        string full = CopyListing.FullPath(path);
        IFileSource files = PlacePath.Open(full);
        return files.FolderExists("") && (files.FileExists(RunFolder.Record) || RunView.TryOpen(files) is not null) ? RunHome.Of(new CheckpointOptions { Folder = full }) : null;
    }

    /// <summary>Takes the right to change a run that nobody trains. Take it before the run is read: the copies of one that is trained change at any time.</summary>
    /// <exception cref="RunLockedException">A process writes the run.</exception>
    public static ILease? Lock(IRunHome home, Action<string> waiting, CancellationToken cancellationToken) =>
        home.Acquire(TimeProvider.System, RunLock.DefaultLease, waiting, static _ => { }, cancellationToken);
}
