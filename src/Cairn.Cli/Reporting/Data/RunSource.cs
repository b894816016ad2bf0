using Cairn.Advice.Audit;
using Cairn.Checkpoints;
using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Cli.Runs;
using Cairn.Cli.Verbs;
using Cairn.Cli.Verification;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Cli.Reporting.Data;

/// <summary>Looks a run up, again and again: of the journal only what is new is read. For one thread at a time; another one may verify meanwhile.</summary>
internal sealed class RunSource
{
    private const int RecentPoints = 50;

    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly IFileSource _files;
    private readonly JournalTail _journal;
    private readonly Timeline _timeline = new();
    private readonly JournalReading _reading = new();
    private readonly Dictionary<string, DateTimeOffset> _verified = new(StringComparer.Ordinal);
    private Dictionary<string, CopyCheck> _damaged = new(StringComparer.Ordinal);
    private readonly Lock _checked = new();

    /// <exception cref="CheckpointException">There is no such folder, or nothing that is known in it.</exception>
    public RunSource(string path, TimeProvider time)
    {
        (_path, _time) = (CopyListing.FullPath(path), time);
        _files = PlacePath.Open(_path);
        if (!_files.FolderExists(""))
            throw new CheckpointException($"There is no folder {_path}. Give the folder of a run.") { Path = _path };
        _journal = new JournalTail(_files);
    }

    /// <summary>Where it lives.</summary>
    public IFileSource Files => _files;

    /// <summary>Reads what is new.</summary>
    /// <exception cref="CheckpointException">There is neither a journal nor a copy.</exception>
    public RunReport Look()
    {
        lock (_checked)
            return LookNow();
    }

    private RunReport LookNow()
    {
        // First the lock: a process that ends writes its last words before it lets go.
        bool? isAlive = RunLiveness.Of(_files).IsAlive;
        TakeJournal();
        bool isRun = _timeline.Processes.Count > 0 || _files.FileExists(RunFolder.Record);
        CopyListing? listing = Listing(isRun);
        LsResult? copies = listing is null ? null : LsResult.Of(listing, [.. listing.Copies.Select(copy => _damaged.GetValueOrDefault(Key(copy)))]);
        RunProgress? progress = RunProgress.Read(_files);
        AuditReport? audit = Audit(progress, isAlive, listing);
        Marker? newest = listing?.Copies.Select(copy => copy.Entry?.Marker).FirstOrDefault(marker => marker is { IsDerived: false });
        return new RunReport
        {
            Name = PlacePath.Name(_path),
            Root = _files.Root,
            State = audit is null ? "" : StateOf(audit.History.Sessions[^1], isAlive),
            Now = _time.GetUtcNow(),
            Progress = progress,
            Lineage = listing?.Run?.Record.Lineage,
            Origin = listing?.Run?.Record.Origin is { } origin ? $"run {origin.Run}, step {Units.Count(origin.Step)}" : null,
            World = newest?.World,
            Copies = copies,
            BranchOf = listing is null ? new Dictionary<string, int>(StringComparer.Ordinal)
                : listing.Copies.Where(copy => copy.Entry?.Marker is { IsDerived: false }).ToDictionary(copy => copy.Name, copy => copy.Entry!.Marker!.Lineage.Current.Id, StringComparer.Ordinal),
            VerifiedAt = listing is null ? _verified : listing.Copies.Where(copy => _verified.ContainsKey(Key(copy))).ToDictionary(copy => copy.Name, copy => _verified[Key(copy)], StringComparer.Ordinal),
            Timeline = _timeline,
            Audit = audit,
            Free = RunStores.IsAddress(_path) ? null : DiskSpace.AvailableAt(_path),
            SecondsPerStep = SecondsPerStep(audit),
        };
    }

    /// <summary>Reads every copy to its end; the next <see cref="Look"/> says what was found.</summary>
    /// <returns>How many were good, and how many were not.</returns>
    public (int Good, int Bad) Verify(Action<long> read, CancellationToken cancellationToken)
    {
        (CopyListing listing, CopyCheck[] checks) = CopyListing.Read(_path).Verify(read, cancellationToken);
        Dictionary<string, CopyCheck> damaged = new(StringComparer.Ordinal);
        HashSet<string> verified = new(StringComparer.Ordinal);
        foreach ((ListedCopy copy, CopyCheck check) in listing.Copies.Zip(checks))
        {
            if (!check.IsGood)
                damaged[Key(copy)] = check;
            else if (copy.Fault is null)
                verified.Add(Key(copy));
        }
        lock (_checked)
        {
            _damaged = damaged;
            foreach (string key in verified)
                _verified[key] = _time.GetUtcNow();
        }
        return (verified.Count, checks.Length - verified.Count);
    }

    private void TakeJournal()
    {
        List<string> news = _journal.Read();
        foreach (string line in news)
            _timeline.Take(line);
        foreach (string line in MetricLine.Newest(news))
            _reading.Take(line);
    }

    // A run that was just started has no copy yet.
    private CopyListing? Listing(bool isRun)
    {
        try
        {
            return CheckpointReader.Again(() => CopyListing.Read(_path));
        }
        catch (CheckpointException) when (isRun)
        {
            return null;
        }
    }

    private AuditReport? Audit(RunProgress? progress, bool? isAlive, CopyListing? listing)
    {
        RunHistory history = AuditSource.UpToNow(_reading.History, progress, isAlive);
        if (history.Sessions.Count == 0)
            return null;
        return RunAudit.Of(history, onDisk: listing is null ? [] :
            [.. listing.Copies.Where(copy => copy.Entry is not null).Select(copy => new CopyOnDisk(copy.Name, copy.Entry!.Step, copy.Entry.Kind, copy.Fault is null, copy.Fault))]);
    }

    private double? SecondsPerStep(AuditReport? audit)
    {
        double[] recent = [.. _timeline.Points.TakeLast(RecentPoints).Select(point => point.SecondsPerStep).OfType<double>().Order()];
        if (recent.Length > 0)
            return recent[recent.Length / 2];
        RunSession? last = audit?.History.Sessions[^1];
        return last is not null && last.LastStep > last.FirstStep && last.Ended - last.Started is { } span && span > TimeSpan.Zero ? span.TotalSeconds / (last.LastStep - last.FirstStep) : null;
    }

    // A copy that took the place of another one was not looked at.
    private static string Key(ListedCopy copy) => $"{copy.Name} {copy.Step} {copy.Entry?.MarkerDigest} {copy.Time:O}";

    private static string StateOf(RunSession last, bool? isAlive) => last.End switch
    {
        SessionEnd.Running => isAlive is null ? "unknown" : "training",
        SessionEnd.Unknown => "killed",
        SessionEnd.Failed => "aborted",
        var end => end.ToString().ToLowerInvariant(),
    };
}
