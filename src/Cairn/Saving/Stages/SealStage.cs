using Cairn.Checkpoints;

namespace Cairn.Saving.Stages;

/// <summary>The first rank finds every file of every rank in the place, and closes the list: the marker is the last file that is written there.</summary>
internal sealed class SealStage(ICopyPublisher publisher) : ISaveStage
{
    public void Run(SaveInProgress save)
    {
        if (!save.Ranks.IsFirst)
            return;
        save.Work.Try(() =>
        {
            string place = save.Place!;
            if (save.IsShared)
                CheckThatAllIsThere(place, save.Written);
            MarkedFile[] files = [.. save.Written.SelectMany(report => report.Files)];
            if (save.Vouched is { } vouched && files.Length != vouched.Count)
                throw new CorruptCheckpointException($"{files.Length} of {vouched.Count} files of the copy of step {save.Marker.Step} were brought. It gets no name.") { Step = save.Marker.Step };
            publisher.Seal(place, save.Marker with { Files = files });
        });
    }

    private void CheckThatAllIsThere(string place, IReadOnlyList<RankReport> reports)
    {
        var found = publisher.Files.List(place).Where(entry => !entry.IsFolder).ToDictionary(entry => entry.Name, entry => entry.Length, StringComparer.Ordinal);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (int rank = 0; rank < reports.Count; rank++)
        {
            foreach (MarkedFile file in reports[rank].Files)
            {
                if (!names.Add(file.Name))
                    throw new CheckpointException($"Two ranks wrote {file.Name}, one of them rank {rank}. Give all ranks the same world.") { Rank = rank, Path = $"{place}/{file.Name}" };
                bool isThere = found.TryGetValue(file.Name, out long length);
                if (isThere && length == file.Length)
                    continue;
                string seen = isThere ? $"{length} bytes" : "no such file";
                throw new StoreException($"Rank {rank} wrote {file.Length} bytes of {file.Name}, but the first rank finds {seen} in {publisher.Files.Root}/{place}. All ranks must see one shared folder: check Folder and the mounts.")
                {
                    Rank = rank,
                    Path = $"{place}/{file.Name}",
                    Expected = $"{file.Length} bytes",
                    Found = seen,
                };
            }
        }
    }
}
