using System.Text;
using Cairn.Advice.Audit;
using Cairn.Checkpoints;
using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Journal;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Cli.Runs;

/// <summary>What an audit is made from: the record, and what stands on the disk.</summary>
internal sealed record AuditSource(string Name, RunHistory History, IReadOnlyList<CopyOnDisk>? OnDisk)
{
    private const int LinesToRecognize = 50;
    private const int MostLogs = 4096;
    // A store is asked once for so many.
    private const int BufferBytes = 256 << 10;

    /// <summary>Reads a run's folder, a journal, or logs.</summary>
    /// <exception cref="CheckpointException">There is nothing that tells of a run.</exception>
    public static AuditSource Read(IReadOnlyList<string> paths, string? folder, long? checkpointEvery, Screen screen, CancellationToken cancellationToken)
    {
        if (paths is [var single] && (RunStores.IsAddress(single) || Directory.Exists(single)))
        {
            IFileSource run = PlacePath.Open(PlacePath.Full(single));
            if (JournalFile.Exists(run))
                return OfRun(run, screen, cancellationToken);
        }
        string[] files = [.. paths.SelectMany(Logs)];
        string? saved = folder ?? paths.FirstOrDefault(Directory.Exists);
        if (files is [var journal] && Head(journal).Any(JournalReader.Recognizes))
        {
            RunHistory history = JournalReader.Read(Lines(journal, null, cancellationToken));
            return new AuditSource(journal, history, saved is null ? null : OnDiskOf(saved, null, HistorySource.Cairn));
        }
        using var progress = new ProgressLine(screen, "audit", files.Sum(file => new FileInfo(file).Length));
        RunHistory told = TrainingLogReader.Read([.. files.Select(file => Lines(file, progress, cancellationToken))], checkpointEvery);
        return new AuditSource(string.Join(", ", paths), told, OnDiskOf(saved, told.Configuration.Folder, told.Source));
    }

    private static AuditSource OfRun(IFileSource files, Screen screen, CancellationToken cancellationToken)
    {
        using IReadableFile journal = JournalFile.Open(files);
        using var progress = new ProgressLine(screen, "audit", journal.Length);
        RunHistory history = JournalReader.Read(Lines(new ReadingStream(journal), progress, cancellationToken));
        return new AuditSource(files.Root, UpToNow(history, RunProgress.Read(files), RunLiveness.Of(files).IsAlive), CopiesIn(files));
    }

    /// <summary>A journal's history together with where the run stands now.</summary>
    public static RunHistory UpToNow(RunHistory history, RunProgress? stand, bool? isAlive)
    {
        if (history.Sessions is not [.., var last])
            return history;
        // How far a process came that wrote nothing more.
        if (stand is not null && !(stand.Time < last.Started))
        {
            last.LastStep = Math.Max(last.LastStep, stand.Step);
            last.LastBatch = Math.Max(last.LastBatch, stand.Batch);
            last.Ended = stand.Time > last.Ended ? stand.Time : last.Ended;
        }
        if (last.End is SessionEnd.Unknown or SessionEnd.Running)
            last.End = isAlive != false ? SessionEnd.Running : SessionEnd.Unknown;
        return history;
    }

    private static IReadOnlyList<CopyOnDisk> CopiesIn(IFileSource files) =>
        [.. Catalog.Read(files).Entries.Select(entry => new CopyOnDisk(entry.Folder, entry.Step, entry.Kind, entry.Fault is null, entry.Fault?.Reason))];

    private static IReadOnlyList<CopyOnDisk>? OnDiskOf(string? given, string? recorded, HistorySource source)
    {
        string? folder = given ?? (recorded?.StartsWith("local:", StringComparison.Ordinal) == true ? recorded["local:".Length..] : null);
        if (folder is null || !(RunStores.IsAddress(folder) || Directory.Exists(folder)))
            return given is null ? null : throw new CheckpointException($"There is no folder {folder}. Give --folder the folder that the run saved to.") { Path = folder };
        IFileSource files = PlacePath.Open(PlacePath.Full(folder));
        if (files.FileExists(RunFolder.Record))
            return CopiesIn(files);
        if (source == HistorySource.InternLm)
            return [.. MarkedFolders(files)];
        CopyOnDisk[] listed = [.. Listed(folder)];
        // Named by epochs, which are no steps.
        return listed.Any(copy => copy.Folder.StartsWith("epoch_", StringComparison.Ordinal)) ? null : listed;
    }

    // What ls knows: folders of any trainer that are named by a step.
    private static IEnumerable<CopyOnDisk> Listed(string folder) =>
        CopyListing.Read(folder).Copies.Where(copy => copy.Step is not null).Select(copy => new CopyOnDisk(copy.Name, copy.Step!.Value, copy.Kind == CopyKinds.Snapshot ? SaveKind.Snapshot : SaveKind.Checkpoint, copy.Fault is null, copy.Fault));

    // InternLM's folders: a marker file is all that says that a copy is whole.
    private static IEnumerable<CopyOnDisk> MarkedFolders(IFileSource files)
    {
        foreach (CatalogEntry entry in Catalog.Read(files).Entries)
        {
            bool isMarked = entry.Step != CatalogEntry.NoStep && files.FileExists($"{entry.Folder}/{Marker.FileName(entry.Step)}");
            yield return new CopyOnDisk(entry.Folder, entry.Step, entry.Kind, isMarked, isMarked ? null : $"there is no marker {(entry.Kind == SaveKind.Checkpoint ? Marker.FileName(entry.Step) : "N.step")} in it: the save did not end");
        }
    }

    private static IEnumerable<string> Logs(string path)
    {
        if (File.Exists(path))
            return [path];
        if (!Directory.Exists(path))
            throw new CheckpointException(RunStores.IsAddress(path) ? $"{path} holds no {RunFolder.Journal}: it is no run of Cairn. Logs are read from this machine only; give them, and --folder {path}." : $"There is no {path}. Give the folder of a run, or its logs.") { Path = path };
        // Of a run that InternLM saved: the logs may stand anywhere in it, without a suffix.
        string[] logs =
        [
            .. Directory.EnumerateFiles(path, "*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3 })
                .Where(file => Path.GetExtension(file) is not (".pt" or ".step" or ".safetensors" or ".json")).Order(StringComparer.Ordinal).Take(MostLogs).Where(IsLog),
        ];
        return logs.Length > 0 ? logs : throw new CheckpointException($"{path} holds neither a {RunFolder.Journal} nor a log of InternLM, torchtitan or XTuner. Give the logs themselves: cairn audit train.log --folder {path}") { Path = path };
    }

    private static bool IsLog(string file)
    {
        try
        {
            return Head(file).Any(TrainingLogReader.Recognizes);
        }
        catch (Exception e) when (e is NotRegularFileException or IOException or UnauthorizedAccessException)
        {
            // A pipe, a link to nothing or a file that may not be read, beside the logs.
            return false;
        }
    }

    private static IEnumerable<string> Head(string file)
    {
        using var reader = new StreamReader(RegularFile.OpenStream(file), Encoding.UTF8);
        char[] start = new char[64 << 10];
        int read = reader.ReadBlock(start);
        return new string(start, 0, read).Split('\n').Take(LinesToRecognize);
    }

    private static IEnumerable<string> Lines(string file, ProgressLine? progress, CancellationToken cancellationToken) => Lines(RegularFile.OpenStream(file), progress, cancellationToken);

    private static IEnumerable<string> Lines(Stream file, ProgressLine? progress, CancellationToken cancellationToken)
    {
        const int LongestLine = 1 << 20;
        using var reader = new StreamReader(file, Encoding.UTF8, bufferSize: BufferBytes);
        while (reader.ReadLine() is { } line)
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress?.Add(line.Length + 1);
            yield return line.Length <= LongestLine ? line : line[..LongestLine];
        }
    }
}
