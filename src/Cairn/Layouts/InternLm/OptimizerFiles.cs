namespace Cairn.Layouts.InternLm;

/// <summary>The group of a rank's parameters: those of the experts that one expert-parallel rank has, or all others of one name.</summary>
/// <param name="Id">Its place in the optimizer.</param>
/// <param name="Name">Its name.</param>
/// <param name="Part">The expert-parallel rank; 0 of other groups.</param>
/// <param name="Parts">Expert-parallel ranks; 0 of other groups.</param>
internal sealed record ParameterGroup(int Id, string Name, int Part, int Parts)
{
    public const string EmbedHead = "embed_head", Fp32 = "fp32", Experts = "moe_ep_size_";

    /// <summary>Whether its parameters are those of experts.</summary>
    public bool IsExpert => Parts > 0;
}

/// <summary>The optimizer's files of a folder, and which of them has what.</summary>
internal sealed class OptimizerFiles(InternLmFiles files, InternLmFolder folder)
{
    private readonly Dictionary<InternLmFileName, OptimizerFile> _open = [];

    /// <summary>All of them.</summary>
    public IEnumerable<OptimizerFile> All => folder.Of(InternLmFileKind.Optimizer).Select(Open);

    /// <summary>A file.</summary>
    /// <exception cref="CorruptCheckpointException">It is missing or bad.</exception>
    public OptimizerFile Open(InternLmFileName name)
    {
        if (!_open.TryGetValue(name, out OptimizerFile? file))
        {
            if (!folder.Has(name))
                throw RankTensors.Bad(files.Folder, $"{name} is missing, and the optimizer's state of the other ranks needs it");
            _open.Add(name, file = new OptimizerFile(name, files.OpenMap(name), files.Folder));
        }
        return file;
    }

    /// <summary>The file of a group's owner. Owners are ranks of the parallel mode in which the group is partitioned; the file's name has other coordinates.</summary>
    /// <param name="rank">The rank whose weights the group has.</param>
    /// <param name="group">The group.</param>
    /// <param name="owner">The owner's rank among those that share the group.</param>
    /// <param name="owners">How many these are.</param>
    public OptimizerFile OfOwner(ModelRank rank, ParameterGroup group, int owner, int owners) => Open(folder.OptimizerFile(RankOf(rank, group, owner, owners), rank.Pp));

    private long RankOf(ModelRank rank, ParameterGroup group, int owner, int owners)
    {
        if (group.IsExpert)
            return ((long)owner * group.Parts + group.Part) * folder.ExpertCut + rank.Tp;
        if (folder.IsNamedByWeight)
            return (long)owner * folder.Wp + rank.Wp;
        if (!folder.IsIsp || group.Name == ParameterGroup.EmbedHead)
            return (long)owner * folder.Tp + rank.Tp;
        for (long candidate = 0; candidate < (long)folder.Tp * folder.Dp; candidate++)
        {
            if (candidate % folder.Wp == rank.Wp && candidate / folder.Wp % owners == owner)
                return candidate;
        }
        throw RankTensors.Bad(files.Folder, $"no rank can have part {owner} of {owners} of the optimizer's state of weight-parallel rank {rank.Wp}");
    }
}
