using Cairn.Checkpoints;
using Cairn.Ranks;
using Cairn.Stores;

namespace Cairn.Tiers;

/// <summary>
/// Sends the files that this rank wrote of a copy to a rank of the next host, which keeps them beside its own, and takes those of the host before: a host that is lost takes nothing with it.
/// What arrives must be what the marker vouches for; what does not is left out, and the copy is no worse than without it.
/// </summary>
/// <param name="ranks">The ranks, on a channel of its own.</param>
/// <param name="hosts">Which ranks share a folder; at least two hosts.</param>
/// <param name="place">This host's folder.</param>
/// <param name="bytesPerSecond">Most that this rank sends in a second; no limit when <see langword="null"/>.</param>
internal sealed class Replication(RankGroup ranks, HostMap hosts, FastPlace place, long? bytesPerSecond)
{
    /// <summary>The host that keeps the files of another one.</summary>
    public static int Next(int host, int hosts) => (host + 1) % hosts;

    /// <summary>The host whose files one keeps.</summary>
    public static int Before(int host, int hosts) => (host + hosts - 1) % hosts;

    /// <summary>Sends and takes the files of one copy.</summary>
    /// <param name="number">Grows with each copy, and is the same on all ranks.</param>
    /// <param name="staged">Where the copy is written on each host.</param>
    /// <param name="files">The files of each rank.</param>
    /// <param name="timeout">Longest time in which nothing moves.</param>
    /// <param name="progressed">Called after each piece.</param>
    /// <param name="areAllOver">Meets all ranks: see <see cref="RankExchange.Run"/>.</param>
    /// <returns>The names of the files that arrived here as a whole, and what went wrong, if anything.</returns>
    public (IReadOnlyList<string> Arrived, Exception? Error) Run(long number, string staged, IReadOnlyList<IReadOnlyList<MarkedFile>> files, TimeSpan timeout, Action progressed, Func<bool, bool> areAllOver)
    {
        int own = hosts.Of(ranks.Rank);
        var arriving = new List<ArrivingFile>();
        Dictionary<string, IReadableFile> open = new(StringComparer.Ordinal);
        try
        {
            IReadOnlyList<MarkedFile> mine = files[ranks.Rank];
            RankSending[] sendings = mine.Count == 0 ? [] : [new RankSending(TakerOf(ranks.Rank), [.. mine.Select(file => file.Length)], piece => Read(open, staged, mine[piece.Stream].Name, piece))];
            RankTaking[] takings =
            [
                .. Enumerable.Range(0, ranks.Size).Where(rank => hosts.Of(rank) == Before(own, hosts.Count) && TakerOf(rank) == ranks.Rank && files[rank].Count > 0).Select(rank =>
                {
                    ArrivingFile[] streams = [.. files[rank].Select(file => new ArrivingFile(place, staged, file))];
                    arriving.AddRange(streams);
                    return new RankTaking(rank, [.. files[rank].Select(file => file.Length)], (piece, bytes) => streams[piece.Stream].Take(piece.Offset, bytes.Span));
                }),
            ];
            Exception? error = ranks.Exchange(number, sendings, takings, bytesPerSecond, timeout, progressed, areAllOver);
            foreach (ArrivingFile file in arriving)
                error = file.Complete() ?? error;
            return ([.. arriving.Where(file => file.IsGood).Select(file => file.Name)], error);
        }
        finally
        {
            foreach (IReadableFile file in open.Values)
                file.Dispose();
            foreach (ArrivingFile file in arriving)
                file.Dispose();
        }
    }

    // The ranks of a host share the work of the host before.
    private int TakerOf(int rank)
    {
        int[] here = [.. Enumerable.Range(0, ranks.Size).Where(other => hosts.Of(other) == hosts.Of(rank))];
        int[] there = [.. Enumerable.Range(0, ranks.Size).Where(other => hosts.Of(other) == Next(hosts.Of(rank), hosts.Count))];
        return there[Array.IndexOf(here, rank) % there.Length];
    }

    private byte[] Read(Dictionary<string, IReadableFile> open, string staged, string name, RankPiece piece)
    {
        if (!open.TryGetValue(name, out IReadableFile? file))
            open[name] = file = place.Files.OpenRead($"{staged}/{name}");
        byte[] bytes = new byte[piece.Length];
        return file.Read(piece.Offset, bytes) == bytes.Length ? bytes : throw new IOException($"'{staged}/{name}' in {place.Files.Root} ends within its {file.Length} bytes.");
    }

    // Written beside this host's own files, and hashed as it comes.
    private sealed class ArrivingFile(FastPlace place, string staged, MarkedFile file) : IDisposable
    {
        private readonly ChunkHasher _hasher = new(file.Hashes.ChunkBytes);
        private IWritableFile? _target;
        private long _taken;
        private bool _isOver;

        public string Name => file.Name;
        public bool IsGood { get; private set; }

        public void Take(long offset, ReadOnlySpan<byte> bytes)
        {
            _target ??= place.Create(staged, file.Name, file.Length);
            _target.Write(offset, bytes);
            _hasher.Append(bytes);
            _taken += bytes.Length;
        }

        public Exception? Complete()
        {
            if (_taken != file.Length || _isOver)
                return null;
            _isOver = true;
            try
            {
                _target ??= place.Create(staged, file.Name, file.Length);
                if (!_hasher.Finish().Equals(file.Hashes))
                    return new CorruptCheckpointException($"{file.Name} came from another host with other bytes than were sent.") { Path = file.Name };
                _target.Sync();
                IsGood = true;
                return null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return e;
            }
        }

        public void Dispose() => _target?.Dispose();
    }
}
