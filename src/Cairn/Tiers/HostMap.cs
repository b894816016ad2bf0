using System.Text;
using Cairn.Ranks;
using Cairn.Stores;

namespace Cairn.Tiers;

/// <summary>Which ranks see the same fast folder: those of one host, as a rule. Found out, not asked for: names of hosts say nothing about what is mounted where.</summary>
internal sealed class HostMap
{
    private readonly int[] _hosts;

    private HostMap(int[] hosts) => _hosts = hosts;

    /// <summary>One rank alone.</summary>
    public static HostMap Single { get; } = new([0]);

    /// <summary>How many hosts there are.</summary>
    public int Count => _hosts.Max() + 1;

    /// <summary>The host of a rank.</summary>
    public int Of(int rank) => _hosts[rank];

    /// <summary>The first rank of a host, which does what is done once there.</summary>
    public int Leader(int host) => Array.IndexOf(_hosts, host);

    /// <summary>Whether a rank is the first of its host.</summary>
    public bool IsLeader(int rank) => Leader(_hosts[rank]) == rank;

    /// <summary>Of ranks that were told apart otherwise.</summary>
    public static HostMap Of(IReadOnlyList<string> names)
    {
        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        return new HostMap([.. names.Select(name => known.TryGetValue(name, out int host) ? host : known[name] = known.Count)]);
    }

    /// <summary>Finds out with all ranks: whoever comes first to a folder leaves a name there, which the others read.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="files">This rank's fast folder.</param>
    /// <param name="timeout">Longest wait for another rank.</param>
    /// <exception cref="RankFailedException">A rank cannot write its folder.</exception>
    /// <exception cref="IOException">This rank cannot.</exception>
    public static HostMap Find(RankGroup ranks, LocalFileSystem files, TimeSpan timeout)
    {
        if (ranks.Size == 1)
            return Single;
        var work = new CollectiveWork(ranks, "fast folder", timeout);
        string mark = ".host-" + RankMessages.Read(work.Agree("mark", static _ => { }, static _ => RankMessages.Write(static to => to.Write(Guid.NewGuid().ToString("N")))), static from => from.ReadString());
        byte[] seen = [];
        work.Try(() =>
        {
            files.CreateFolder("");
            var store = new LocalRunStore(files);
            byte[] own = Encoding.ASCII.GetBytes(Guid.NewGuid().ToString("N"));
            _ = StoreCall.Wait(() => store.TryPutAsync(mark, own));
            seen = SmallFile.Read(files, mark, own.Length);
        });
        ReadOnlyMemory<byte> all = work.Agree("look", to => to.Write(Encoding.ASCII.GetString(seen)),
            static parts => RankMessages.Write(to => to.WriteList([.. parts.Select(part => RankMessages.Read(part, from => from.ReadString()))], to.Write)));
        HostMap map = Of(RankMessages.Read(all, from => from.ReadList(from.ReadString)));
        if (map.IsLeader(ranks.Rank))
            files.DeleteFile(mark);
        return map;
    }
}
