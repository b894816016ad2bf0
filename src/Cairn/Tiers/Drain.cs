using System.Collections.Concurrent;
using System.Diagnostics;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.Stores;
using Cairn.Telemetry;

namespace Cairn.Tiers;

/// <summary>
/// Brings copies from the fast tier to the run's home, one at a time, on a thread of its own: each is a save of its own there (<see cref="CopyTransfer"/>), complete or absent, and what arrives must be what
/// the fast tier's marker vouches for. Each rank brings files that stand on its host; all ranks begin and end together.
/// </summary>
internal sealed class Drain
{
    private readonly FastTier _tier;
    private readonly IRunHome _home;
    private readonly ILease? _lease;
    private readonly TimeProvider _time;
    private readonly LineView _line;
    private readonly Retirement? _retirement;
    private readonly SignsOfLife _signs;
    private readonly FormerFiles? _former;
    private ICopyPublisher? _publisher;
    private volatile Action? _progressed;
    private readonly ConcurrentQueue<SaveReport> _aside = [];
    private UInt128 _lastFailed;

    /// <param name="tier">Where they come from.</param>
    /// <param name="home">Where they go.</param>
    /// <param name="lease">The right to write the run, on the first rank.</param>
    /// <param name="line">The line that is trained.</param>
    /// <param name="options">What is kept at home.</param>
    /// <param name="time">The clock.</param>
    public Drain(FastTier tier, IRunHome home, ILease? lease, LineView line, CheckpointOptions options, TimeProvider time)
    {
        (_tier, _home, _lease, _line, _time) = (tier, home, lease, line, time);
        _retirement = Retirement.Of(options, home.Files, time);
        _signs = new SignsOfLife(home.Files.Root, time);
        _former = options.ShareUnchanged ? new FormerFiles() : null;
        Writer = new WriterThread(_signs, time);
    }

    /// <summary>The thread.</summary>
    public WriterThread Writer { get; }

    /// <summary>Whether one ended without the word of some rank, so that messages about it may still be on their way.</summary>
    public bool WasDisturbed { get; set; }

    /// <summary>Whether the last one failed.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>For how long the home has given no sign of life.</summary>
    public TimeSpan Silence => _signs.Silence;

    // Made by the first one.
    private ICopyPublisher Publisher => _publisher ??= _home.Publisher(_lease, _signs);

    /// <summary>Begins to bring a copy. None may be under way.</summary>
    public void Begin(TieredCopy copy, RankGroup channel, TimeSpan timeout) => Writer.Begin(new SaveDecision(copy.Kind, copy.Reason), copy.Step, () => Bring(copy, channel, timeout));

    /// <summary>The report of a drain that has ended since the last call; of one that is tried again, only the first time that it failed.</summary>
    public SaveReport? Collect(TieredCopy? copy)
    {
        if (_aside.TryDequeue(out SaveReport? aside))
            return aside;
        SaveReport? report = Writer.Collect();
        if (report is null or { Outcome: SaveOutcome.Saved })
            return report;
        bool isRepeated = copy is not null && copy.Digest == _lastFailed;
        _lastFailed = copy?.Digest ?? 0;
        return isRepeated ? null : report;
    }

    /// <summary>Brings a copy in the calling thread of every rank, for a save that waits for it; none may be under way. The report comes from <see cref="Collect"/>.</summary>
    public void BringAside(TieredCopy copy, RankGroup channel, TimeSpan timeout, Action progressed)
    {
        _progressed = progressed;
        try
        {
            _aside.Enqueue(Bring(copy, channel, timeout));
        }
        finally
        {
            _progressed = null;
        }
    }

    /// <summary>Brings a copy, together with all ranks. Never throws: the report says how it ended.</summary>
    public SaveReport Bring(TieredCopy copy, RankGroup channel, TimeSpan timeout)
    {
        _signs.Begin();
        DrainEnd end = DrainEnd.Failed;
        using Activity? activity = SaveActivity.Begin("cairn.drain", copy.Step, copy.Kind, channel.Rank);
        long started = _time.GetTimestamp();
        HasFailed = true;
        try
        {
            SaveReport report = Bring(copy, channel, timeout, started);
            end = DrainEnd.Durable;
            activity.Ended(report);
            HasFailed = false;
            return report;
        }
        catch (Exception e)
        {
            bool isLost = IsLost(copy, e, channel, timeout);
            end = isLost ? DrainEnd.Damaged : DrainEnd.Failed;
            WasDisturbed |= e is RankTimeoutException or RankOrderException;
            activity.Failed(e);
            return new SaveReport
            {
                IsDrained = true,
                IsLost = isLost,
                Step = copy.Step,
                Kind = copy.Kind,
                Reason = copy.Reason,
                Outcome = SaveOutcome.Failed,
                Duration = _time.GetElapsedTime(started),
                Error = new CheckpointException($"The {Name(copy)} was not brought from the fast folder {_tier.Root} to {_home.Files.Root}: {e.Message}", e) { Step = copy.Step, Path = _home.Files.Root },
            };
        }
        finally
        {
            if (channel.IsFirst)
                _tier.Copies.Ended(end);
        }
    }

    private SaveReport Bring(TieredCopy copy, RankGroup channel, TimeSpan timeout, long started)
    {
        var work = new CollectiveWork(channel, $"bring the {Name(copy)} to the home", timeout);
        FastCopy? own = null;
        work.Try(() => own = _tier.Place.Find(copy.Digest));
        ReadOnlyMemory<byte> answer = work.Agree("who has it", to => WriteOwn(to, own), parts => RankMessages.Write(to => Assign(copy, parts).Write(to)));
        _signs.Progressed();
        DrainShares shares = RankMessages.Read(answer, DrainShares.Read);
        if (shares.IsAtHome)
            return Report(copy, _time.GetElapsedTime(started), 0, 0, RunFolder.Checkpoint(copy.Step), []);
        ReadOnlyMemory<byte> said = work.Agree("marker", to => to.WriteList(channel.Rank == shares.Speaker ? own!.Marker.ToBytes() : [], to.Write),
            parts => parts[shares.Speaker].ToArray());
        Marker marker = own?.Marker ?? Marker.Parse(RankMessages.Read(said, from => from.ReadList(from.ReadByte)).ToArray(), Marker.FileName(copy.Step));
        MarkedFile[] mine = [.. marker.Files.Where(file => shares.Ranks.TryGetValue(file.Name, out int rank) && rank == channel.Rank)];
        HeldCopy? held = null;
        try
        {
            work.Try(() => held = own is null ? null : CatalogEntry.At(_tier.Place.Files, own.Folder, copy.Kind, copy.Step).Hold(_tier.Place.Files));
            work.Agree("hold");
            SaveInProgress save = CopyTransfer.Of(held ?? _tier.Place.Files, own?.Folder ?? "", marker, mine, channel, timeout, Progressed, CancellationToken.None);
            SavedCopy saved = new CommitProtocol(Publisher, () => _signs.Silence, _former).Save(save);
            var notes = new List<string>(saved.Notes);
            RetirementResult retirement = _retirement is not null && channel.IsFirst ? _retirement.Run(Publisher, marker, notes) : RetirementResult.Nothing;
            // It began when its state was captured, maybe before a restart.
            TimeSpan duration = _time.GetUtcNow() - marker.Time;
            return retirement.In(Report(copy, duration < TimeSpan.Zero ? TimeSpan.Zero : duration, saved.Bytes, saved.SharedBytes, saved.Entry.Folder, notes));
        }
        finally
        {
            held?.Dispose();
        }
    }

    // The save that waits for it lives as long as this does.
    private void Progressed()
    {
        _signs.Progressed();
        _progressed?.Invoke();
    }

    private void WriteOwn(BinaryWriter to, FastCopy? own)
    {
        bool speaks = own is not null && _tier.IsLeader;
        to.Write(speaks);
        if (!speaks)
            return;
        to.Write(own!.Marker.Files.Count);
        to.WriteList([.. own.Marker.Files.Where(file => own.Names.Contains(file.Name))], file =>
        {
            to.Write(file.Name);
            to.Write(file.Length);
        });
    }

    // Which rank brings which file: one on a host that has it, the largest first, each to the rank that has the least.
    private DrainShares Assign(TieredCopy copy, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        if (IsAtHome(copy))
            return DrainShares.AtHome;
        int total = 0, speaker = -1;
        var lengths = new Dictionary<string, long>(StringComparer.Ordinal);
        var hosts = new Dictionary<string, HashSet<int>>(StringComparer.Ordinal);
        for (int rank = 0; rank < parts.Count; rank++)
        {
            List<(string Name, long Length)>? files = RankMessages.Read(parts[rank], from =>
            {
                if (!from.ReadBoolean())
                    return null;
                total = from.ReadInt32();
                return from.ReadList(() => (from.ReadString(), from.ReadInt64()));
            });
            if (files is null)
                continue;
            speaker = speaker < 0 ? rank : speaker;
            foreach ((string name, long length) in files)
            {
                lengths[name] = length;
                if (!hosts.TryGetValue(name, out HashSet<int>? there))
                    hosts[name] = there = [];
                there.Add(_tier.Hosts.Of(rank));
            }
        }
        if (speaker < 0 || lengths.Count < total)
            throw new CorruptCheckpointException($"{(speaker < 0 ? "no" : $"{lengths.Count} of {total}")} files of it stand on the hosts that are there. What is missing went with its host.") { Step = copy.Step };
        long[] load = new long[parts.Count];
        var ranks = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach ((string name, long length) in lengths.OrderByDescending(file => file.Value).ThenBy(file => file.Key, StringComparer.Ordinal))
        {
            int least = Enumerable.Range(0, parts.Count).Where(rank => hosts[name].Contains(_tier.Hosts.Of(rank))).MinBy(rank => load[rank]);
            load[least] += length;
            ranks[name] = least;
        }
        return new DrainShares(false, speaker, ranks);
    }

    // A checkpoint of this line that the home has is never moved away for another one.
    private bool IsAtHome(TieredCopy copy) => copy.Kind == SaveKind.Checkpoint && _line.Holds(CatalogEntry.At(_home.Files, RunFolder.Checkpoint(copy.Step), SaveKind.Checkpoint, copy.Step));

    // Whether what the fast tier has of it is at fault, and not the home: what any rank finds, all believe.
    private bool IsLost(TieredCopy copy, Exception error, RankGroup channel, TimeSpan timeout)
    {
        if (error is RankTimeoutException or RankOrderException)
            return false;
        bool isDamaged = error is CorruptCheckpointException or CopyChangedException && IsDamaged(copy);
        if (channel.Size == 1)
            return isDamaged;
        try
        {
            return channel.Agree($"why the {Name(copy)} was not brought", [isDamaged ? (byte)1 : (byte)0], parts => [parts.Max(part => part.Span[0])], timeout)[0] != 0;
        }
        catch (CheckpointException)
        {
            WasDisturbed = true;
            return false;
        }
    }

    private bool IsDamaged(TieredCopy copy)
    {
        try
        {
            FastCopy? own = _tier.Place.Find(copy.Digest);
            return own is null || _tier.Hosts.Count > 1 || (Verifier.Verify(_tier.Place.Files, CatalogEntry.At(_tier.Place.Files, own.Folder, copy.Kind, copy.Step)) is not null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private static string Name(TieredCopy copy) => $"{copy.Kind.ToString().ToLowerInvariant()} of step {copy.Step}";

    private static SaveReport Report(TieredCopy copy, TimeSpan duration, long bytes, long sharedBytes, string folder, IReadOnlyList<string> notes) => new()
    {
        Step = copy.Step,
        Kind = copy.Kind,
        Reason = copy.Reason,
        Outcome = SaveOutcome.Saved,
        IsDrained = true,
        Duration = duration,
        Bytes = bytes,
        SharedBytes = sharedBytes,
        Folder = folder,
        Notes = notes,
    };
}
