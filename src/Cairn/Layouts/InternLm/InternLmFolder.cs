using System.Runtime.InteropServices;

namespace Cairn.Layouts.InternLm;

/// <summary>A rank as the name of its model file says it.</summary>
/// <param name="Tp">Tensor-parallel rank; with ISP's names since 2024-07 the weight-parallel one, for it cuts all that tensor parallelism would.</param>
/// <param name="Wp">Weight-parallel rank; 0 without ISP.</param>
/// <param name="Pp">Pipeline-parallel rank.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ModelRank(int Tp, int Wp, int Pp);

/// <summary>
/// The files of a folder that InternLM or InternEvo wrote, and the sizes of the job that follow from all their names together: of models, topologies, optimizers,
/// plans and samplers. What one kind of file has lost, the others still tell. Ranks are numbered as <c>internlm/core/context/process_group_initializer.py</c> does.
/// </summary>
internal sealed class InternLmFolder
{
    private readonly Dictionary<InternLmFileName, string> _names = [];

    public InternLmFolder(IEnumerable<string> fileNames)
    {
        var unknown = new List<string>();
        foreach (string name in fileNames)
        {
            if (InternLmFileName.TryParse(name, out InternLmFileName? parsed))
                _names[parsed] = name;
            else if (InternLmFileName.IsUnknownShard(name))
                unknown.Add(name);
        }
        Unknown = [.. unknown.Order(StringComparer.Ordinal)];
        Experts = Of(InternLmFileKind.Expert);
        IReadOnlyList<InternLmFileName> models = Of(InternLmFileKind.Model), topologies = Of(InternLmFileKind.Topology), plans = Of(InternLmFileKind.Plan);
        InternLmFileName[] optimizers = [.. Of(InternLmFileKind.Optimizer).Where(file => file.Ep is null)], experts = [.. Of(InternLmFileKind.Optimizer).Where(file => file.Ep is not null)];
        InternLmFileName[] ranks = [.. models, .. topologies, .. optimizers];
        IsIsp = Array.Exists(ranks, file => file.Wp is not null) || Array.Exists(experts, file => file.Wp is not null);
        IsNamedByWeight = IsIsp && !Array.Exists(ranks, file => file.Tp is not null);
        HasShardedOptimizer = Array.Exists(optimizers, file => file.Pp is null);
        IsFsdp = models.Any(file => file.Dp is not null);
        HasModel = models.Count > 0;
        HasOptimizer = optimizers.Length + experts.Length > 0;
        InternLmFileName[] all = [.. ranks, .. experts, .. plans];
        Wp = IsIsp ? Size([.. ranks, .. plans], file => file.Wp) : 1;
        JobTp = Size(all, file => file.Tp);
        Tp = IsNamedByWeight ? Wp : JobTp;
        Pp = Size(all, file => file.Pp);
        Zo = Math.Max(Size(optimizers, file => file.Zo), Size(plans, file => file.Zo));
        int named = Size([.. models, .. optimizers, .. plans, .. Of(InternLmFileKind.Sampler)], file => file.Dp);
        int counted = plans.Count > 0 ? plans[0].Gpus!.Value / Math.Max(1, JobTp * Pp) : 1;
        // ISP counts ZeRO ranks among those that share weights, of which there may be more than share batches.
        Dp = Math.Max(Math.Max(named, counted), IsIsp ? 1 : Zo);
        Ep = Size(experts, file => file.Ep);
        ExpertZo = Size(experts, file => file.Zo);
        HasExpertNames = experts.Length > 0;
        ExpertCut = IsNamedByWeight ? Math.Max(Size(Experts, file => file.Wp), Size(experts, file => file.Wp)) : Size(Experts, file => file.Tp);
    }

    /// <summary>Ranks that cut each tensor by tensor parallelism, or by weights with ISP's newer names.</summary>
    public int Tp { get; }
    /// <summary>Tensor-parallel ranks of the job.</summary>
    public int JobTp { get; }
    /// <summary>Weight-parallel ranks of ISP.</summary>
    public int Wp { get; }
    /// <summary>Pipeline stages.</summary>
    public int Pp { get; }
    /// <summary>Data-parallel ranks, as far as the names say.</summary>
    public int Dp { get; }
    /// <summary>ZeRO ranks.</summary>
    public int Zo { get; }
    /// <summary>Ranks that cut each expert: fewer than cut the rest where experts are trained without tensor parallelism (<c>expert.no_tp</c>).</summary>
    public int ExpertCut { get; }
    /// <summary>Whether the weights were cut by InternEvo's intern sequence parallelism.</summary>
    public bool IsIsp { get; }
    /// <summary>Whether files of ISP are named by weight-parallel ranks alone, as since 2024-07; embeddings and head are then cut by these too.</summary>
    public bool IsNamedByWeight { get; }
    /// <summary>Whether the weights were cut by PyTorch's fully sharded data parallelism.</summary>
    public bool IsFsdp { get; }
    /// <summary>Whether the optimizer's files are those of the newer FSDP, whose model is a distributed checkpoint of PyTorch.</summary>
    public bool HasShardedOptimizer { get; }
    /// <summary>Whether there are weights.</summary>
    public bool HasModel { get; }
    /// <summary>Whether there is an optimizer's state.</summary>
    public bool HasOptimizer { get; }
    /// <summary>Whether anything tells that an optimizer's state was saved: its files, their plans, or the scheduler, which InternLM saves with it.</summary>
    public bool NeedsOptimizer => HasOptimizer || Of(InternLmFileKind.Plan).Count > 0 || Has(new(InternLmFileKind.Scheduler));
    /// <summary>Whether there is state of a training, and not only weights as they are handed on.</summary>
    public bool IsTraining => NeedsOptimizer || Has(new(InternLmFileKind.Context)) || Of(InternLmFileKind.Sampler).Count > 0;
    /// <summary>Names that are made like a shard's and that this version does not know.</summary>
    public IReadOnlyList<string> Unknown { get; }
    /// <summary>The files of experts, by name.</summary>
    public IReadOnlyList<InternLmFileName> Experts { get; }
    /// <summary>All files of InternLM that there are.</summary>
    public IEnumerable<string> Names => _names.Values;

    private int Ep { get; }
    private int ExpertZo { get; }
    private bool HasExpertNames { get; }

    /// <summary>The files of a kind.</summary>
    public IReadOnlyList<InternLmFileName> Of(InternLmFileKind kind) => [.. _names.Keys.Where(file => file.Kind == kind).OrderBy(file => _names[file], StringComparer.Ordinal)];

    /// <summary>Whether there is such a file.</summary>
    public bool Has(InternLmFileName file) => _names.ContainsKey(file);

    /// <summary>The sizes of the job in words.</summary>
    public override string ToString() => $"tp {JobTp}, {(IsIsp ? $"wp {Wp}, " : "")}pp {Pp}, {(IsFsdp || (IsIsp && !IsNamedByWeight) ? $"dp {Dp}" : $"zo {Zo}")}";

    /// <summary>The ranks whose weights make up the model. Under ISP tp and wp are two countings of the same ranks, so not every pair exists.</summary>
    public IEnumerable<ModelRank> ModelRanks()
    {
        for (int pp = 0; pp < Pp; pp++)
        {
            for (int rank = 0; rank < Math.Max(Tp, Wp); rank++)
                yield return new ModelRank(rank % Tp, rank % Wp, pp);
        }
    }

    /// <summary>The files that hold a rank's weights: one, or with FSDP one for each data-parallel rank.</summary>
    public IEnumerable<InternLmFileName> ModelFiles(ModelRank rank)
    {
        for (int dp = 0; dp < (IsFsdp ? Dp : 1); dp++)
            yield return new(InternLmFileKind.Model) { Tp = TpIn(rank), Wp = IsIsp ? rank.Wp : null, Pp = rank.Pp, Dp = IsFsdp ? dp : null };
    }

    /// <summary>The file that says which modules of a rank are cut.</summary>
    public InternLmFileName TopologyFile(ModelRank rank) => new(InternLmFileKind.Topology) { Tp = TpIn(rank), Wp = IsIsp ? rank.Wp : null, Pp = rank.Pp };

    /// <summary>A plan that stands in a file of its own, of any data-parallel rank; <see langword="null"/> when there is none for these weights.</summary>
    public InternLmFileName? PlanOf(ModelRank rank) => Of(InternLmFileKind.Plan)
        .FirstOrDefault(plan => plan.Pp == rank.Pp && (IsNamedByWeight || plan.Tp == rank.Tp) && (plan.Wp is null || !IsIsp || plan.Wp == rank.Wp));

    /// <summary>The optimizer's file of a rank, which is counted within its pipeline stage.</summary>
    public InternLmFileName OptimizerFile(long rank, int pp)
    {
        var file = new InternLmFileName(InternLmFileKind.Optimizer) { Pp = pp };
        if (HasExpertNames)
        {
            int inner = IsNamedByWeight ? ExpertCut : Tp;
            file = file with { Ep = (int)(rank / inner % Ep), Zo = (int)(rank / ((long)inner * Ep)) };
            return IsNamedByWeight ? file with { Wp = (int)(rank % inner) } : file with { Tp = (int)(rank % inner) };
        }
        return IsNamedByWeight ? file with { Wp = (int)(rank % Wp), Zo = (int)(rank / Wp) }
            : IsIsp ? file with { Tp = (int)(rank % Tp), Wp = (int)(rank % Wp), Dp = (int)(rank / Tp) }
            : file with { Tp = (int)(rank % Tp), Zo = (int)(rank / Tp) };
    }

    /// <summary>All files of model and optimizer that a job of these sizes has written.</summary>
    public IEnumerable<InternLmFileName> Required()
    {
        foreach (InternLmFileName file in ModelRanks().SelectMany(ModelFiles))
            yield return file;
        for (int pp = 0; NeedsOptimizer && !HasShardedOptimizer && pp < Pp; pp++)
        {
            for (long rank = 0; rank < OptimizerFiles; rank++)
                yield return OptimizerFile(rank, pp);
        }
        int experts = Experts.Count == 0 ? 0 : 1 + Experts.Max(file => file.Expert!.Value);
        foreach (IGrouping<int, InternLmFileName> layer in Experts.GroupBy(file => file.Layer!.Value))
        {
            for (int expert = 0; expert < experts; expert++)
            {
                for (int cut = 0; cut < ExpertCut; cut++)
                    yield return ExpertFile(layer.Key, expert, cut);
            }
        }
    }

    /// <summary>The file of an expert, or of one rank's part of it.</summary>
    public InternLmFileName ExpertFile(int layer, int expert, int cut)
    {
        bool byWeight = Experts.Any(file => file.Wp is not null);
        return new(InternLmFileKind.Expert) { Layer = layer, Expert = expert, Tp = byWeight ? null : cut, Wp = byWeight ? cut : null };
    }

    // Of each pipeline stage.
    private long OptimizerFiles => HasExpertNames ? (long)(IsNamedByWeight ? ExpertCut : Tp) * Ep * ExpertZo
        : IsNamedByWeight ? (long)Wp * Zo
        : IsIsp ? (long)Tp * Dp : (long)Tp * Zo;

    private int? TpIn(ModelRank rank) => IsNamedByWeight ? null : rank.Tp;

    private static int Size(IReadOnlyList<InternLmFileName> files, Func<InternLmFileName, int?> coordinate) => files.Count == 0 ? 1 : 1 + files.Max(file => coordinate(file) ?? 0);
}
