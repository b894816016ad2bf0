using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Ranks.Planning;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tiers;

namespace Cairn.Starting;

/// <summary>
/// The start of a run, on one rank or on all of a job together: recover, choose what to resume from, restore. The first rank decides; an error of one rank is
/// thrown on all.
/// </summary>
internal sealed class RunStart(IRunHome home, CheckpointOptions options, RankGroup ranks, PlanExchange plan, PartContents contents, TimeProvider time, CancellationToken cancellationToken)
{
    // How often a run that is trained meanwhile may replace what is read of it (ResumeFrom).
    private const int MostTries = 5;

    /// <summary>What the first call of a start is about: in its place a rank says that it cannot even begin.</summary>
    public const string FirstCall = "start: take the run";

    private readonly IRunFiles _files = home.Files;
    private readonly ResumePlaces _places = new(home.Files, options.ResumeFrom, home.OpenOther) { Parts = [.. options.ResumeParts], Pin = entry => ReadingPin.TryTake(entry.Files, entry, $"{home.Files.Root} begins from it", time) };
    private readonly TierOpening _tiers = new(options, ranks, time, cancellationToken);
    private CollectiveWork _work = new(ranks, "start", options.RankTimeout);
    private IReadOnlyList<FoundCopy> _found = [];
    private ResumeAllowance? _allowance;

    private OpeningMessages Messages => new(_places, ranks.Rank);

    /// <summary>The fast tier, once it is open; whoever starts the run disposes it.</summary>
    public FastTier? Fast { get; private set; }

    /// <summary>Copies of the line that stand in the fast tier and not at home.</summary>
    public IReadOnlyList<TieredCopy> Waiting { get; private set; } = [];

    /// <summary>The copy of the run's own home that was read to its end and restored; <see langword="null"/> when nobody has read it, or it stands elsewhere.</summary>
    public VerifiedHome? Verified { get; private set; }

    /// <summary>The best checkpoint of the line.</summary>
    public BestCheckpoint? Best { get; private set; }

    /// <summary>How the run begins.</summary>
    /// <param name="prepare">Called on the first rank: locks the run and tries the store out; gives the right to write it.</param>
    /// <param name="train">The counters.</param>
    /// <param name="parts">All parts, the counters among them.</param>
    public (RunOpening Opening, ResumeReport Report) Begin(Func<ILease?> prepare, TrainState train, IReadOnlyList<IStatePart> parts)
    {
        // Captured once, for all that must be known of the parts before they are restored, and not held longer.
        List<RankPart>? atStart = null;
        if (options.Enabled)
            _work.Try(() => Measure(atStart = StateCheck.Run(options, parts, ranks), parts, train.Step));
        ILease? lease = null;
        if (ranks.IsFirst)
        {
            _work.Try(() => lease = prepare());
            _work.Try(() => home.Publisher().Recover());
        }
        _work.Agree("take the run", WriteSame, CheckSame);
        // What the ranks hold is known before they restore; it is the plan of the first save as well.
        if (ranks.Size > 1)
            plan.Assign("start", () => atStart ?? RankPart.Capture(parts), options.RankTimeout);
        atStart = null;
        OpenFastTier(lease);
        (RunOpening opening, LastSeen? lastSeen, RestoredState restored) = Resume(parts);
        if (options.Enabled && opening.Source is not null)
            _work.Try(() => Measure(RankPart.Capture(parts), parts, train.Step));
        // Only what could be restored becomes history.
        if (ranks.IsFirst && opening.ChangesRecord)
            _work.Try(() => opening.Record.Save(_files));
        Best = FindBest(opening);
        if (options.FastFolder is not null)
        {
            Fast ??= _tiers.Open(opening.Record.Id, lease);
            FindWaiting(opening);
        }
        // What is left behind on purpose is not lost.
        LastSeen? lost = opening.ByChoice || (opening.Source is null && !options.AutoResume) ? null : lastSeen;
        return (opening, new ResumeReport
        {
            Step = train.Step,
            Source = opening.Source?.Name,
            Parts = restored.Parts,
            NotExact = restored.NotExact,
            KeptAsBuilt = _allowance?.KeptAsBuilt ?? [],
            NotTaken = _allowance?.NotTaken ?? [],
            Settings = restored.Settings,
            PassedOver = opening.PassedOver,
            LostSteps = lost is { } made ? Math.Max(0, made.Step - train.Step) : 0,
            LostAtLeast = lost is { IsExact: false },
            Branch = opening.Record.Lineage.Current,
        });
    }

    // Among all that a restart could take; the pointer names what stands at home.
    private BestCheckpoint? FindBest(RunOpening opening)
    {
        BestCheckpoint? best = null;
        if (ranks.IsFirst && options.Enabled)
        {
            _work.Try(() =>
            {
                if (options.BestRule is null && !_files.FileExists(RunFolder.Best))
                    return;
                var line = LineView.Of(opening.Record);
                Catalog catalog = Catalog.Read(_files);
                best = options.BestRule is { } rule ? BestCopy.Of(catalog.With(_places.Nearer).Entries, line, rule) : null;
                BestPointer.Mend(_files, best is null || BestCopy.Stands(catalog.Entries, line, best) ? best : BestCopy.Of(catalog.Entries, line, options.BestRule));
            });
        }
        ReadOnlyMemory<byte> answer = _work.Agree("begin", static _ => { }, _ => RankMessages.Write(to => BestMessages.Write(to, best)));
        return RankMessages.Read(answer, BestMessages.Read);
    }

    // Of a run that is there already, before it is chosen what to resume from.
    private void OpenFastTier(ILease? lease)
    {
        if (options.FastFolder is null)
            return;
        RunRecord? record = null;
        Catalog? catalog = null;
        if (ranks.IsFirst)
            _work.Try(() => record = RunRecord.LoadOrRebuild(_files, catalog = Catalog.Read(_files), out _));
        string run = RankMessages.Read(_work.Agree("fast folder", static _ => { }, _ => RankMessages.Write(to => to.Write(record?.Id ?? ""))), from => from.ReadString());
        if (run.Length == 0)
            return;
        Fast = _tiers.Open(run, lease);
        _found = _tiers.Find(Fast);
        if (record is not null)
            _work.Try(() => _found = [.. _found.Where(copy => !TierOpening.IsPassed(copy, catalog!.Entries.FirstOrDefault(LineView.Of(record).Holds)?.Marker))]);
        if (Fast.Hosts.Count > 1)
        {
            BringNewest(Fast, record, catalog, lease);
            return;
        }
        _places.Fast = Fast.Place.Files;
        if (ranks.IsFirst && options.AutoResume)
            _places.Nearer = TierOpening.Entries(Fast, _found);
    }

    // Several hosts hold it together: the home gets it first, and all ranks read there what they need.
    private void BringNewest(FastTier tier, RunRecord? record, Catalog? catalog, ILease? lease)
    {
        IReadOnlyList<TieredCopy> missing = [];
        if (ranks.IsFirst)
        {
            _work.Try(() => missing = [.. TierOpening.Missing(_found, record!.Id, LineView.Of(record), catalog!, out long newest).Where(copy => copy.Step > newest).OrderByDescending(copy => copy.Step)]);
        }
        ReadOnlyMemory<byte> answer = _work.Agree("bring to the home", static _ => { }, _ => RankMessages.Write(to => to.WriteList(missing, copy => copy.Write(to))));
        LineView line = record is null ? new LineView("", Lineage.New) : LineView.Of(record);
        var drain = new Drain(tier, home, lease, line, options, time);
        foreach (TieredCopy copy in RankMessages.Read(answer, from => from.ReadList(() => TieredCopy.Read(from))))
        {
            SaveReport report = drain.Bring(copy, ranks, options.RankTimeout);
            if (report.Outcome == SaveOutcome.Saved)
                return;
            // Damaged, or parts of it went with a host: the next one. A home that refuses is no reason to take an older copy.
            if (report.Error!.InnerException is not (CorruptCheckpointException or RankFailedException { Error: not null } or CopyChangedException))
                throw report.Error;
        }
    }

    private void FindWaiting(RunOpening opening)
    {
        IReadOnlyList<TieredCopy> missing = [];
        if (ranks.IsFirst)
        {
            _work.Try(() =>
            {
                missing = TierOpening.Missing(_found, opening.Record.Id, LineView.Of(opening.Record), Catalog.Read(_files), out long newest);
                var waiting = missing.Select(copy => copy.Digest).ToHashSet();
                Fast!.Copies.Begin(missing, _found.Where(copy => copy.IsWhole && !waiting.Contains(copy.Copy.Digest)).Select(copy => copy.Copy), newest);
            });
        }
        Waiting = RankMessages.Read(_work.Agree("what waits for the home", static _ => { }, _ => RankMessages.Write(to => to.WriteList(missing, copy => copy.Write(to)))), from => from.ReadList(() => TieredCopy.Read(from)));
    }

    // What is there now is the measure of what is saved later.
    private void Measure(List<RankPart> now, IReadOnlyList<IStatePart> parts, long step)
    {
        for (int i = 0; i < now.Count; i++)
        {
            contents.Forget(parts[i].Name);
            contents.Check(parts[i], now[i].State, step);
        }
    }

    // What decides which calls the ranks make.
    private void WriteSame(BinaryWriter to)
    {
        to.Write(_places.IsNamed);
        to.Write(options.FastFolder is not null);
        to.Write(options.Replicas);
    }

    private byte[] CheckSame(IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        foreach (ReadOnlyMemory<byte> part in parts)
        {
            (bool isNamed, bool isFast, int replicas) = RankMessages.Read(part, from => (from.ReadBoolean(), from.ReadBoolean(), from.ReadInt32()));
            string? differs = isNamed != _places.IsNamed ? nameof(options.ResumeFrom) : isFast != options.FastFolder is not null ? nameof(options.FastFolder) : replicas != options.Replicas ? nameof(options.Replicas) : null;
            if (differs is not null)
                throw new CheckpointException($"{differs} is set on some ranks only. Give all ranks the same options.");
        }
        return [];
    }

    private (RunOpening Opening, LastSeen? LastSeen, RestoredState Restored) Resume(IReadOnlyList<IStatePart> parts)
    {
        for (int tries = 1; ; tries++)
        {
            using var verifier = new CollectiveVerifier(ranks, _places, options.RankTimeout, cancellationToken);
            try
            {
                (RunOpening opening, LastSeen? lastSeen) = Choose(verifier);
                if (opening.Source is not { } source)
                    return (opening, lastSeen, new RestoredState([], [], []));
                IFileSource Held()
                {
                    if (source.Entry is not { } entry)
                        return source.Files;
                    VerifiedCopy copy = verifier.Hold(source.Files, entry);
                    if (options.VerifyHashes && ReferenceEquals(source.Files, _files) && entry.Marker is { IsDerived: false })
                        Verified = new VerifiedHome(entry, copy.Identities);
                    return copy;
                }
                // Also after a crash before the first copy of the branch that was begun.
                bool isOther = opening.ByChoice || source.Marker.Lineage.Current.Id != opening.Record.Lineage.Current.Id;
                _allowance = isOther ? new ResumeAllowance(options.ResumeAllowMissing, options.ResumeAllowUnexpected) : null;
                return (opening, lastSeen, new StateRestorer(ranks, plan, _work, options.ResumeSettings, _allowance).Restore(source, () => source.Open(Held()), parts, opening.Parts));
            }
            catch (CopyChangedException) when (tries < MostTries)
            {
                // On all ranks at once. The other run has made a newer copy, which is as welcome.
                _work = new CollectiveWork(ranks, "start", options.RankTimeout);
            }
            finally
            {
                _places.EndReading();
            }
        }
    }

    private (RunOpening Opening, LastSeen? LastSeen) Choose(CollectiveVerifier verifier)
    {
        RunOpening? opening = null;
        LastSeen? lastSeen = null;
        if (ranks.IsFirst)
        {
            _work.Try(() =>
            {
                lastSeen = LastSeen.Of(_files);
                opening = RunOpening.Decide(_places, options, time.GetUtcNow(), options.VerifyHashes ? verifier : null, LastSeen.RecoverableStep(_files) ?? 0);
            });
            if (ranks.Size > 1)
                verifier.End();
        }
        else
        {
            verifier.Follow();
        }
        ReadOnlyMemory<byte> chosen = _work.Agree("choose a copy", static _ => { }, _ => RankMessages.Write(to =>
        {
            Messages.Write(to, opening!);
            to.Write(lastSeen?.Step ?? -1);
            to.Write(lastSeen is { IsExact: true });
        }));
        if (opening is null)
            _work.Try(() => (opening, lastSeen) = RankMessages.Read(chosen, from => (Messages.Read(from), ReadLastSeen(from.ReadInt64(), from.ReadBoolean()))));
        // What one rank does not find, none waits for.
        _work.Agree("find the copy");
        return (opening!, lastSeen);
    }

    private static LastSeen? ReadLastSeen(long step, bool isExact) => step >= 0 ? new LastSeen(step, isExact) : null;
}
