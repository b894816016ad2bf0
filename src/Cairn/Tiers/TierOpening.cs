using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Stores;

namespace Cairn.Tiers;

/// <summary>A copy that stands in the fast tier at the start of a run.</summary>
/// <param name="Copy">The copy.</param>
/// <param name="Branch">The branch that it was saved on.</param>
/// <param name="Fence">Which acquisition of the run's lock saved it.</param>
/// <param name="IsWhole">Whether all its files are found on the hosts that are there.</param>
/// <param name="Folder">Its folder on the first rank's host; empty when it has none of it.</param>
internal sealed record FoundCopy(TieredCopy Copy, int Branch, long Fence, bool IsWhole, string Folder);

/// <summary>
/// Opens the fast tier of a run: takes each host's folder, ends what a crash left there, and finds what stands in it. What is whole on one host that all ranks share is resumed from there. What several
/// hosts hold together is brought to the home first when it is newer than what the home has: ranks then read what they need of it, wherever they run now.
/// </summary>
/// <param name="options">The folder, and what the home keeps.</param>
/// <param name="ranks">The ranks; all open it at the same time.</param>
/// <param name="time">The clock.</param>
/// <param name="cancellationToken">Ends the waiting for a folder.</param>
internal sealed class TierOpening(CheckpointOptions options, RankGroup ranks, TimeProvider time, CancellationToken cancellationToken)
{
    /// <summary>Opens it.</summary>
    /// <param name="run">The run's id: each run has a folder of its own in the fast folder.</param>
    /// <param name="homeLease">The right to write the run, on the first rank.</param>
    /// <exception cref="StoreException">A host's folder cannot be used.</exception>
    public FastTier Open(string run, ILease? homeLease)
    {
        string folder = Path.Join(PlacePath.Full(options.FastFolder!), run);
        var files = new LocalFileSystem(folder) { DirectIO = options.DirectIO };
        RunLock? lease = null;
        var work = new CollectiveWork(ranks, "start: fast folder", options.RankTimeout);
        try
        {
            HostMap hosts = Guarded(files, () => HostMap.Find(ranks, files, options.RankTimeout));
            if (hosts.IsLeader(ranks.Rank))
            {
                work.Try(() => Guarded(files, () =>
                {
                    files.CreateFolder("");
                    lease = RunLock.Acquire(files, time, options.LeaseDuration, static _ => { }, static _ => { }, cancellationToken);
                    new FastPlace(files, lease).Recover();
                    return lease;
                }));
            }
            var place = new FastPlace(files, lease);
            int channel = RankMessages.Read(work.Agree("take", static _ => { }, _ => RankMessages.Write(to => to.Write(options.Replicas > 0 && hosts.Count > 1 ? ranks.UnusedChannel() : 0))), from => from.ReadInt32());
            Replication? replication = channel == 0 ? null : new Replication(ranks.Channel(channel), hosts, place, options.ReplicaBytesPerSecond);
            return new FastTier(place, hosts, ranks, time, lease, homeLease, replication, options.ShareUnchanged);
        }
        catch
        {
            lease?.Dispose();
            throw;
        }
    }

    /// <summary>What stands in the tier, the newest first; the same on all ranks but for the folders.</summary>
    public IReadOnlyList<FoundCopy> Find(FastTier tier)
    {
        var work = new CollectiveWork(ranks, "start: fast folder", options.RankTimeout);
        FastCopy[] own = [];
        work.Try(() => own = tier.IsLeader ? [.. tier.Place.Copies().OfType<FastCopy>()] : []);
        ReadOnlyMemory<byte> answer = work.Agree("what stands there", to => to.WriteList(own, copy =>
        {
            new TieredCopy(copy.Digest, copy.Marker.Kind, copy.Marker.Reason, copy.Marker.Step).Write(to);
            to.Write(copy.Marker.Lineage.Current.Id);
            to.Write(copy.Marker.Fence ?? 0);
            to.Write(copy.Marker.Files.Count);
            to.WriteList([.. copy.Names], to.Write);
        }), parts =>
        {
            var found = new Dictionary<UInt128, (TieredCopy Copy, int Branch, long Fence, int Files, HashSet<string> Names)>();
            foreach ((TieredCopy copy, int branch, long fence, int files, List<string> names) in parts.SelectMany(part => RankMessages.Read(part, from => from.ReadList(() => (TieredCopy.Read(from), from.ReadInt32(), from.ReadInt64(), from.ReadInt32(), from.ReadList(from.ReadString))))))
            {
                if (!found.TryGetValue(copy.Digest, out (TieredCopy, int, long, int, HashSet<string> Names) known))
                    found[copy.Digest] = known = (copy, branch, fence, files, new HashSet<string>(StringComparer.Ordinal));
                known.Names.UnionWith(names);
            }
            return RankMessages.Write(to => to.WriteList([.. found.Values.OrderByDescending(copy => copy.Copy.Step)], copy =>
            {
                copy.Copy.Write(to);
                to.Write(copy.Branch);
                to.Write(copy.Fence);
                to.Write(copy.Names.Count == copy.Files);
            }));
        });
        return RankMessages.Read(answer, from => from.ReadList(() =>
        {
            var copy = TieredCopy.Read(from);
            return new FoundCopy(copy, from.ReadInt32(), from.ReadInt64(), from.ReadBoolean(), own.FirstOrDefault(here => here.Digest == copy.Digest)?.Folder ?? "");
        }));
    }

    /// <summary>
    /// Whether the line went on without a copy: the home has one that a later holder of the run's lock saved, who had resumed from a lower step. This one was saved by a process that had lost the run,
    /// or stands on a host that was out of reach meanwhile.
    /// </summary>
    public static bool IsPassed(FoundCopy copy, Marker? newestAtHome) => newestAtHome is { Fence: { } later } && later > copy.Fence && (newestAtHome.Parent ?? 0) < copy.Copy.Step;

    /// <summary>The copies of one host that all ranks share, as what can be resumed from.</summary>
    public static IReadOnlyList<CatalogEntry> Entries(FastTier tier, IReadOnlyList<FoundCopy> found) =>
        [.. found.Where(copy => copy.IsWhole && copy.Folder.Length > 0).Select(copy => CatalogEntry.At(tier.Place.Files, copy.Folder, copy.Copy.Kind, copy.Copy.Step))];

    /// <summary>Those that belong to a line and that the home does not have: checkpoints, and the snapshots that are newer than anything there.</summary>
    /// <param name="found">What stands in the tier.</param>
    /// <param name="run">The run's id.</param>
    /// <param name="line">The line.</param>
    /// <param name="home">What the home has.</param>
    /// <param name="newestAtHome">The newest step of the line there.</param>
    public static IReadOnlyList<TieredCopy> Missing(IReadOnlyList<FoundCopy> found, string run, LineView line, Catalog home, out long newestAtHome)
    {
        long newest = newestAtHome = home.Entries.FirstOrDefault(line.Holds)?.Step ?? 0;
        return
        [
            .. found.Where(copy => copy.IsWhole && line.StandingOf(run, copy.Branch, copy.Copy.Step) == CopyStanding.OfLine).Select(copy => copy.Copy)
                .Where(copy => !IsAtHome(copy.Kind, copy.Step, line, home, newest)),
        ];
    }

    /// <summary>Whether the home needs no copy of a line any more: it has the checkpoint of that step, or something that is not older than the snapshot.</summary>
    public static bool IsAtHome(SaveKind kind, long step, LineView line, Catalog home, long newestAtHome) => kind == SaveKind.Snapshot ? step <= newestAtHome
        : home.Entries.Any(entry => entry.Kind == SaveKind.Checkpoint && entry.Step == step && line.Holds(entry));

    private static T Guarded<T>(LocalFileSystem files, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(files, e);
        }
    }

    private static StoreException Unusable(LocalFileSystem files, Exception e) =>
        new($"The fast folder {files.Root} cannot be used: {e.Message} Check FastFolder, its permissions and free space, or leave it out.", e) { Path = files.Root };
}
