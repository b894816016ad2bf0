using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;

namespace Cairn.Saving;

/// <summary>
/// The commit of a copy that all ranks of a job write, as docs/commit.md describes: prepare, write, written, commit, committed. Each rank calls it, in its
/// writer's thread; only the first writes the marker and gives the copy its name. One at a time.
/// </summary>
internal sealed class JobCommit(ICopyPublisher publisher, Func<TimeSpan> silence)
{
    private static readonly TimeSpan LongestBeat = TimeSpan.FromSeconds(1);

    // Once a copy may have got its name, what was written for it may be needed.
    private bool _publishing;
    private Task _preparing = Task.CompletedTask;

    /// <summary>Writes this rank's files, and commits the copy together with the other ranks.</summary>
    /// <param name="ranks">A channel of its own.</param>
    /// <param name="marker">The marker without its files; the first rank's is the one that is written.</param>
    /// <param name="plan">This rank's files; what it throws fails the save on all ranks.</param>
    /// <param name="refuseNonFinite">Whether a snapshot with NaN or infinity in the model is given up.</param>
    /// <param name="timeout">Longest wait for another rank.</param>
    /// <param name="progressed">Called after each block.</param>
    /// <exception cref="RankFailedException">Another rank could not do its part.</exception>
    /// <exception cref="RankTimeoutException">Ranks did not answer in time.</exception>
    /// <exception cref="NonFiniteStateException">A snapshot was refused.</exception>
    /// <exception cref="IOException">This rank could not write.</exception>
    public CommitProtocol.Result Save(RankGroup ranks, Marker marker, Func<IReadOnlyList<PlannedFile>> plan, bool refuseNonFinite, TimeSpan timeout, Action progressed)
    {
        var work = new JointWork(ranks, $"{marker.Kind.ToString().ToLowerInvariant()} of step {marker.Step}", timeout);
        var notes = new List<string>();
        string? place = null;
        Task<string>? making = null;
        CommitProtocol.Result? result = null;
        _publishing = false;
        try
        {
            IReadOnlyList<PlannedFile> planned = [];
            work.Try(() => planned = plan());
            if (ranks.IsFirst)
                work.Try(() => _ = (marker with { World = ranks.World }).ToBytes());
            while (true)
            {
                // Room may have to be made, and for that a whole copy be read: until it is, all hear once a second that the first rank lives, unless its store
                // gives no sign of life. Then it waits for the store, and the others give up.
                ReadOnlyMemory<byte> answer = work.Agree("prepare", to => to.Write(planned.Sum(file => file.Length)), parts =>
                {
                    long bytes = parts.Sum(part => RankMessages.Read(part, from => from.ReadInt64()));
                    making ??= Prepare(marker, bytes, notes);
                    if (!((IAsyncResult)making).AsyncWaitHandle.WaitOne(Beat(timeout)) && silence() < timeout)
                        return RankMessages.Write(to => to.Write(""));
                    place = making.GetAwaiter().GetResult();
                    return RankMessages.Write(to => to.Write(place));
                });
                if (!ranks.IsFirst)
                    progressed();
                if (RankMessages.Read(answer, from => from.ReadString()) is { Length: > 0 } ready)
                {
                    place = ready;
                    break;
                }
            }

            RankReport own = new([], null);
            work.Try(() =>
            {
                CopyWriter.Written written = CopyWriter.Write(publisher, place, planned, CheckpointLayouts.Of(marker.Layout), CancellationToken.None, progressed);
                publisher.Settle(place);
                own = new RankReport(written.Files, written.NonFiniteTensor);
            });
            RankReport[] reports = [];
            ReadOnlyMemory<byte> nonFinite = work.Agree("written", own.Write, parts =>
            {
                reports = [.. parts.Select(part => RankMessages.Read(part, RankReport.Read))];
                string? first = reports.FirstOrDefault(report => report.NonFiniteTensor is not null)?.NonFiniteTensor;
                return RankMessages.Write(to => to.Write(first ?? ""));
            });
            progressed();
            string? tensor = RankMessages.Read(nonFinite, from => from.ReadString()) is { Length: > 0 } name ? name : null;
            if (tensor is not null && refuseNonFinite && marker.Kind == SaveKind.Snapshot)
                throw new NonFiniteStateException(tensor);

            if (ranks.IsFirst)
                work.Try(() => result = Commit(place, marker with { World = ranks.World }, reports, tensor, notes));
            progressed();
            ReadOnlyMemory<byte> outcome = work.Agree("committed", static _ => { }, _ => RankMessages.Write(to => Write(to, result!)));
            return result ?? RankMessages.Read(outcome, from => Read(from, marker));
        }
        catch (RankTimeoutException e) when (result is not null)
        {
            // The copy has its name; who has not heard of it will find it.
            return result with { IsDisturbed = true, Notes = [.. result.Notes, $"the copy is complete, but some ranks did not hear of it: {e.Message}"] };
        }
        catch
        {
            // It may be ready, and nobody has heard of it yet.
            place ??= making is { IsCompletedSuccessfully: true } ? making.Result : null;
            if (ranks.IsFirst && place is not null && !_publishing)
                publisher.Discard(place);
            throw;
        }
    }

    // One that hangs in a store may outlive its save; the next one waits for it, for a publisher does one thing at a time.
    private Task<string> Prepare(Marker marker, long bytes, List<string> notes)
    {
        Task before = _preparing;
        Task<string> making = Task.Run(async () =>
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return publisher.Prepare(marker, bytes, isShared: true, notes);
        });
        _preparing = making;
        return making;
    }

    private static TimeSpan Beat(TimeSpan timeout) => timeout / 4 < LongestBeat ? timeout / 4 : LongestBeat;

    private CommitProtocol.Result Commit(string place, Marker marker, RankReport[] reports, string? nonFinite, List<string> notes)
    {
        CheckReports(place, reports);
        MarkedFile[] all = [.. reports.SelectMany(report => report.Files)];
        publisher.Seal(place, marker with { Files = all });
        _publishing = true;
        return new CommitProtocol.Result(publisher.Publish(place, marker, notes), all.Sum(file => file.Length), nonFinite, notes);
    }

    private void CheckReports(string place, RankReport[] reports)
    {
        var found = publisher.Files.List(place).Where(entry => !entry.IsFolder).ToDictionary(entry => entry.Name, entry => entry.Length, StringComparer.Ordinal);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (int rank = 0; rank < reports.Length; rank++)
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

    private static void Write(BinaryWriter to, CommitProtocol.Result result)
    {
        to.Write(result.Entry.Folder);
        to.Write(result.Bytes);
        to.Write(result.NonFiniteTensor ?? "");
        to.WriteList(result.Notes, to.Write);
    }

    private CommitProtocol.Result Read(BinaryReader from, Marker marker)
    {
        var entry = CatalogEntry.At(publisher.Files, from.ReadString(), marker.Kind, marker.Step);
        long bytes = from.ReadInt64();
        string tensor = from.ReadString();
        return new CommitProtocol.Result(entry, bytes, tensor.Length > 0 ? tensor : null, from.ReadList(from.ReadString));
    }
}
