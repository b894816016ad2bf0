using System.IO.Hashing;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Tiers;

/// <summary>
/// The fast tier of a run: a folder on each host that takes a copy first. Every host has the files of its ranks and the marker of the whole copy; the copy counts when all its files are found on
/// the hosts that are there. No host replaces what it has before all have everything of the new copy (docs/tiers.md).
/// </summary>
internal sealed class FastTier : IFirstTier, IDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    // A home that is silent for this long is not waited for.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly RankGroup _ranks;
    private readonly ILease? _lease;
    private readonly ILease? _homeLease;
    private readonly Replication? _replication;
    private readonly string _session = Guid.NewGuid().ToString("N")[..12];
    private readonly FormerFiles? _former;
    private int _count;

    /// <param name="place">This host's folder.</param>
    /// <param name="hosts">Which ranks share one.</param>
    /// <param name="ranks">The ranks.</param>
    /// <param name="time">The clock.</param>
    /// <param name="lease">The right to write this host's folder, on its first rank; let go when this is disposed.</param>
    /// <param name="homeLease">The right to write the run, on the first rank.</param>
    /// <param name="replication">Sends what each host has to the next one; <see langword="null"/> when each keeps its own.</param>
    /// <param name="sharesUnchanged">Whether a file that has not changed since the copy before is that file once more.</param>
    public FastTier(FastPlace place, HostMap hosts, RankGroup ranks, TimeProvider time, ILease? lease = null, ILease? homeLease = null, Replication? replication = null, bool sharesUnchanged = false)
    {
        _former = sharesUnchanged ? new FormerFiles() : null;
        (Place, Hosts, _ranks, _lease, _homeLease, _replication) = (place, hosts, ranks, lease, homeLease, replication);
        Copies = new FastCopies(time);
    }

    /// <summary>This host's folder.</summary>
    public FastPlace Place { get; }

    /// <summary>Which ranks share a folder.</summary>
    public HostMap Hosts { get; }

    /// <summary>On the first rank: what stands in the tier.</summary>
    public FastCopies Copies { get; }

    /// <summary>For how long the drain has given no sign of life.</summary>
    public Func<TimeSpan> DrainSilence { get; set; } = static () => TimeSpan.Zero;

    /// <summary>Brings a copy to the home, in the calling thread of every rank.</summary>
    public Action<TieredCopy, RankGroup, TimeSpan, Action>? Bring { get; set; }

    public string Root => Place.Files.Root;

    public void Watch(SignsOfLife signs) => Place.Watch(signs);

    /// <summary>Whether this is the first rank of its host.</summary>
    public bool IsLeader => Hosts.IsLeader(_ranks.Rank);

    public SavedCopy Save(SaveInProgress save)
    {
        string? staged = null;
        try
        {
            save.Former = _former;
            new PlanStage().Run(save);
            new CompareStage(Place).Run(save);
            Choice chosen = Choose(save);
            save.Place = staged = chosen.Staged;
            OnLeader(save, () => Place.Prepare(chosen.Staged, chosen.Bytes));
            save.Work.Agree("fast: ready");
            new WriteStage(Place).Run(save);
            (Marker marker, UInt128 digest) = Seal(save, chosen);
            save.IsPublishing = true;
            OnLeader(save, () => Place.Publish(chosen.Staged, chosen.Slot));
            save.Work.Agree("fast: committed");
            if (_ranks.IsFirst)
            {
                foreach (TieredCopy lost in Copies.Committed(new TieredCopy(digest, marker.Kind, marker.Reason, marker.Step)))
                    save.Notes.Add($"the checkpoint of step {lost.Step} was given up: {FastPlace.Slots} newer copies fill the fast folder, and the home has not taken it");
            }
            string folder = FastPlace.FolderOf(chosen.Slot);
            _former?.Remember(folder, save.Own);
            return new SavedCopy(CatalogEntry.At(Place.Files, folder, marker.Kind, marker.Step), marker.Bytes, save.Written.Sum(report => report.SharedBytes), save.NonFiniteTensor, save.Notes);
        }
        catch
        {
            if (_ranks.IsFirst)
                Copies.Release();
            if (IsLeader && staged is not null && !save.IsPublishing)
                Place.Discard(staged);
            throw;
        }
    }

    public IDisposable HoldHome(RankGroup ranks, TimeSpan timeout, Action progressed)
    {
        var hold = new Hold(this);
        try
        {
            byte[] isHeld;
            do
            {
                isHeld = ranks.Agree("hold the home", default, _ =>
                {
                    Copies.WaitForEnd(Beat);
                    return [Copies.TryHold() ? (byte)1 : (byte)0];
                }, timeout);
                progressed();
            }
            while (isHeld[0] == 0);
            return hold;
        }
        catch
        {
            hold.Dispose();
            throw;
        }
    }

    /// <summary>Lets go of this host's folder.</summary>
    public void Dispose() => _lease?.Dispose();

    // The first rank chooses from what all hosts say. A snapshot does without a place, a checkpoint waits for one as long as the drain moves, or brings home what has to go there first.
    private Choice Choose(SaveInProgress save)
    {
        while (true)
        {
            FastCopy?[] own = [];
            save.Work.Try(() => own = IsLeader ? Place.Copies() : []);
            ReadOnlyMemory<byte> answer = save.Work.Agree("fast: place", to =>
            {
                to.Write(save.BytesToWrite);
                to.WriteList(own, copy => to.Write(copy?.Digest ?? 0));
            }, parts => Choose(save, parts));
            save.Progressed();
            (Verdict verdict, TieredCopy? first, Choice choice) = RankMessages.Read(answer, from => ((Verdict)from.ReadByte(), from.ReadBoolean() ? TieredCopy.Read(from) : null, new Choice(from.ReadInt32(), from.ReadString(), from.ReadList(from.ReadInt32), from.ReadList(from.ReadInt64), Hosts.Of(_ranks.Rank))));
            switch (verdict)
            {
                case Verdict.Go:
                    return choice;
                case Verdict.Drop:
                    throw new NoSlotException();
                case Verdict.Bring:
                    Bring!(first!, save.Ranks, save.Timeout, save.Progressed);
                    break;
            }
        }
    }

    private byte[] Choose(SaveInProgress save, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        (long Bytes, UInt128?[] Slots)[] ranks =
        [
            .. parts.Select(part => RankMessages.Read(part, from => (from.ReadInt64(), from.ReadList(() => from.ReadUInt128() is var digest && digest == 0 ? (UInt128?)null : digest).ToArray()))),
        ];
        UInt128?[][] hosts = [.. Enumerable.Range(0, Hosts.Count).Select(host => ranks[Hosts.Leader(host)].Slots)];
        if (_homeLease is { IsLost: true })
            throw new StoreException("The run is another process's by now: nothing of it is written.");
        bool isCheckpoint = save.Marker.Kind == SaveKind.Checkpoint;
        int[]? slots = Copies.Reserve(hosts, force: false);
        TieredCopy? first = null;
        if (slots is null && isCheckpoint)
        {
            // A home that takes what it is given gets it now, whoever was to begin with it.
            first = Bring is null || Copies.IsFailing ? null : Copies.TakeNext();
            // What hangs, or was refused just now, is not waited for: the newest state is worth more than one that waits for the home.
            if (first is null && (Copies.UnderWay is null || DrainSilence() > LongestSilence(save.Timeout)))
                slots = Copies.Reserve(hosts, force: true);
        }
        Verdict verdict = slots is not null ? Verdict.Go : first is not null ? Verdict.Bring : isCheckpoint ? Verdict.Wait : Verdict.Drop;
        if (verdict == Verdict.Wait)
            Copies.WaitForEnd(save.Timeout / 4 < Beat ? save.Timeout / 4 : Beat);
        return RankMessages.Write(to =>
        {
            to.Write((byte)verdict);
            to.Write(first is not null);
            first?.Write(to);
            to.Write(++_count);
            to.Write($"{RunFolder.Staging}/{_session}-{_count}");
            to.WriteList(slots ?? [], to.Write);
            to.WriteList([.. Enumerable.Range(0, Hosts.Count).Select(host => Bytes(host) + (_replication is null ? 0 : Bytes(Replication.Before(host, Hosts.Count))))], to.Write);
        });

        long Bytes(int host) => ranks.Where((_, rank) => Hosts.Of(rank) == host).Sum(rank => rank.Bytes);
    }

    private static TimeSpan LongestSilence(TimeSpan timeout) => timeout < Patience ? timeout : Patience;

    // Every host gets the same marker, of the whole copy, beside its own files and those of the host before it.
    private (Marker Marker, UInt128 Digest) Seal(SaveInProgress save, Choice chosen)
    {
        ReadOnlyMemory<byte> answer = save.Work.Agree("fast: marker", static _ => { }, _ => RankMessages.Write(to =>
        {
            Marker marker = save.Marker with { Files = [.. save.Written.SelectMany(report => report.Files)], Fence = _homeLease?.Fence, Token = _homeLease?.Token };
            byte[] bytes = marker.ToBytes();
            to.WriteList(bytes, to.Write);
            to.WriteList([.. save.Written.Select(report => report.Files.Count)], to.Write);
        }));
        (byte[] bytes, List<int> counts) = RankMessages.Read(answer, from => (from.ReadList(from.ReadByte).ToArray(), from.ReadList(from.ReadInt32)));
        var marker = Marker.Parse(bytes, Marker.FileName(save.Marker.Step));
        var files = new List<IReadOnlyList<MarkedFile>>();
        for (int rank = 0, at = 0; rank < counts.Count; at += counts[rank++])
            files.Add([.. marker.Files.Skip(at).Take(counts[rank])]);
        HashSet<string> arrived = Replicate(save, chosen, files);
        OnLeader(save, () => Place.Seal(chosen.Staged, marker, bytes,
            [.. files.Where((_, rank) => Hosts.Of(rank) == chosen.Host).SelectMany(own => own), .. marker.Files.Where(file => arrived.Contains(file.Name))]));
        save.Work.Agree("fast: sealed");
        return (marker, XxHash128.HashToUInt128(bytes));
    }

    // A neighbour that does not get it is no reason to do without the copy.
    private HashSet<string> Replicate(SaveInProgress save, Choice chosen, IReadOnlyList<IReadOnlyList<MarkedFile>> files)
    {
        if (_replication is null)
            return [];
        (IReadOnlyList<string> arrived, Exception? error) = _replication.Run((long)chosen.Number << 32, chosen.Staged, files, save.Timeout, save.Progressed,
            isOver => save.Work.Agree("fast: sending", to => to.Write(isOver), parts => [parts.Min(part => part.Span[0])]).Span[0] != 0);
        ReadOnlyMemory<byte> answer = save.Work.Agree("fast: replicas", to =>
        {
            to.WriteList(arrived, to.Write);
            to.WriteName(error?.Message);
        }, parts =>
        {
            (List<string> Names, string? Error)[] said = [.. parts.Select(part => RankMessages.Read(part, from => (from.ReadList(from.ReadString), from.ReadName())))];
            if (said.FirstOrDefault(rank => rank.Error is not null).Error is { } first)
                save.Notes.Add($"not every host's part of step {save.Marker.Step} has a replica: {first.TrimEnd('.')}");
            return RankMessages.Write(to => to.WriteList(said, rank => to.WriteList(rank.Names, to.Write)));
        });
        return RankMessages.Read(answer, from => from.ReadList(() => from.ReadList(from.ReadString))).Where((_, rank) => Hosts.Of(rank) == chosen.Host).SelectMany(names => names).ToHashSet(StringComparer.Ordinal);
    }

    private void OnLeader(SaveInProgress save, Action work)
    {
        if (IsLeader)
            save.Work.Try(work);
    }

    private enum Verdict : byte
    {
        Go,
        Wait,
        Drop,
        Bring,
    }

    // Where the files of a copy are written, and which slot they take, on each host.
    private sealed record Choice(int Number, string Staged, IReadOnlyList<int> Slots, IReadOnlyList<long> AllBytes, int Host)
    {
        public int Slot => Slots[Host];
        public long Bytes => AllBytes[Host];
    }

    private sealed class Hold(FastTier tier) : IDisposable
    {
        public void Dispose() => tier.Copies.LetGo();
    }
}
