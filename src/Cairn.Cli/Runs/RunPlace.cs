using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Cli.Runs;

/// <summary>Opens the folder of a run that may have no copy yet.</summary>
internal static class RunPlace
{
    /// <exception cref="CheckpointException">There is no such folder, or no run of Cairn in it.</exception>
    public static LocalFileSystem Open(string path)
    {
        if (RunStores.IsAddress(path))
            throw new CheckpointException($"{path} is in a store. The command lists, verifies and shows runs there; to stop one, put an object 'command' into it that says 'stop'.") { Path = path };
        string full = Path.GetFullPath(path.StartsWith("local:", StringComparison.Ordinal) ? path["local:".Length..] : path);
        if (!Directory.Exists(full))
            throw new CheckpointException($"There is no folder {full}. Give the folder of a run.") { Path = full };
        var files = new LocalFileSystem(full);
        return files.FileExists(RunFolder.Record) || files.FileExists(RunFolder.Journal)
            ? files
            : throw new CheckpointException($"{full} is not the folder of a run of Cairn: there is neither {RunFolder.Record} nor {RunFolder.Journal} in it.") { Path = full };
    }
}
