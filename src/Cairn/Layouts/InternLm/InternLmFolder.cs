using System.Runtime.InteropServices;
namespace Cairn.Layouts.InternLm;

/// <summary>A rank as the name of its model file says it.</summary>
/// <param name="Tp">Tensor-parallel rank.</param>
/// <param name="Wp">Weight-parallel rank; 0 without ISP.</param>
/// <param name="Pp">Pipeline-parallel rank.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ModelRank(int Tp, int Wp, int Pp);

/// <summary>
/// The files of a folder that InternLM or InternEvo wrote, and the sizes of the job that follow from their names. Ranks are numbered as
/// <c>internlm/core/context/process_group_initializer.py</c> does.
/// </summary>
internal sealed class InternLmFolder
{
    private readonly Dictionary<InternLmFileName, string> _names = [];

    public InternLmFolder(IEnumerable<string> fileNames)
    {
        foreach (string name in fileNames)
        {
            if (InternLmFileName.TryParse(name, out InternLmFileName? parsed))
                _names[parsed] = name;
        }
        Experts = Of(InternLmFileKind.Expert);
        IReadOnlyList<InternLmFileName> models = Of(InternLmFileKind.Model), optimizers = Of(InternLmFileKind.Optimizer), plans = Of(InternLmFileKind.Plan);
        IsIsp = models.Any(file => file.Wp is not null);
        IsFsdp = models.Any(file => file.Dp is not null);
        HasModel = models.Count > 0;
        HasOptimizer = optimizers.Count > 0;
        Tp = Size(models, file => file.Tp);
        Wp = Size(models, file => file.Wp);
        Pp = Size(models, file => file.Pp);
        Zo = Math.Max(Size(optimizers, file => file.Zo), IsIsp ? Size(plans, file => file.Zo) : 1);
        int named = Math.Max(Math.Max(Size(models, file => file.Dp), Size(optimizers, file => file.Dp)), Math.Max(Size(plans, file => file.Dp), Size(Of(InternLmFileKind.Sampler), file => file.Dp)));
        int counted = plans.Count > 0 ? plans[0].Gpus!.Value / Math.Max(1, Tp * Pp) : 1;
        // ISP counts ZeRO ranks among those that share weights, of which there may be more than share batches.
        Dp = Math.Max(Math.Max(named, counted), IsIsp ? 1 : Zo);
    }

    /// <summary>Tensor-parallel ranks.</summary>
    public int Tp { get; }
    /// <summary>Weight-parallel ranks of ISP.</summary>
    public int Wp { get; }
    /// <summary>Pipeline stages.</summary>
    public int Pp { get; }
    /// <summary>Data-parallel ranks, as far as the names say.</summary>
    public int Dp { get; }
    /// <summary>ZeRO ranks.</summary>
    public int Zo { get; }
    /// <summary>Whether the weights were cut by InternEvo's intern sequence parallelism.</summary>
    public bool IsIsp { get; }
    /// <summary>Whether the weights were cut by PyTorch's fully sharded data parallelism.</summary>
    public bool IsFsdp { get; }
    /// <summary>Whether there are weights.</summary>
    public bool HasModel { get; }
    /// <summary>Whether there is an optimizer's state.</summary>
    public bool HasOptimizer { get; }
    /// <summary>The files of experts, by name.</summary>
    public IReadOnlyList<InternLmFileName> Experts { get; }
    /// <summary>All files of InternLM that there are.</summary>
    public IEnumerable<string> Names => _names.Values;

    /// <summary>The files of a kind.</summary>
    public IReadOnlyList<InternLmFileName> Of(InternLmFileKind kind) => [.. _names.Keys.Where(file => file.Kind == kind).OrderBy(file => _names[file], StringComparer.Ordinal)];

    /// <summary>Whether there is such a file.</summary>
    public bool Has(InternLmFileName file) => _names.ContainsKey(file);

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
            yield return new(InternLmFileKind.Model) { Tp = rank.Tp, Wp = IsIsp ? rank.Wp : null, Pp = rank.Pp, Dp = IsFsdp ? dp : null };
    }

    /// <summary>The file that says which modules of a rank are cut.</summary>
    public InternLmFileName TopologyFile(ModelRank rank) => new(InternLmFileKind.Topology) { Tp = rank.Tp, Wp = IsIsp ? rank.Wp : null, Pp = rank.Pp };

    /// <summary>The optimizer's file of a ZeRO rank.</summary>
    public static InternLmFileName OptimizerFile(ModelRank rank, int zo) => new(InternLmFileKind.Optimizer) { Tp = rank.Tp, Pp = rank.Pp, Zo = zo };

    /// <summary>The optimizer's file of a rank of a pipeline stage under ISP; ranks are counted within the stage.</summary>
    public InternLmFileName OptimizerFileOfIsp(int rank, int pp) => new(InternLmFileKind.Optimizer) { Tp = rank % Tp, Wp = rank % Wp, Pp = pp, Dp = rank / Tp };

    /// <summary>All files of model and optimizer that a job of these sizes has written.</summary>
    public IEnumerable<InternLmFileName> Required()
    {
        foreach (ModelRank rank in HasModel ? ModelRanks() : [])
        {
            foreach (InternLmFileName file in ModelFiles(rank))
                yield return file;
            for (int zo = 0; HasOptimizer && !IsIsp && zo < Zo; zo++)
                yield return OptimizerFile(rank, zo);
        }
        for (int pp = 0; HasOptimizer && IsIsp && pp < Pp; pp++)
        {
            for (int rank = 0; rank < Tp * Dp; rank++)
                yield return OptimizerFileOfIsp(rank, pp);
        }
        int experts = Experts.Count == 0 ? 0 : 1 + Experts.Max(file => file.Expert!.Value);
        foreach (IGrouping<int, InternLmFileName> layer in Experts.GroupBy(file => file.Layer!.Value))
        {
            for (int expert = 0; expert < experts; expert++)
            {
                for (int tp = 0; tp < Tp; tp++)
                    yield return new(InternLmFileKind.Expert) { Layer = layer.Key, Expert = expert, Tp = tp };
            }
        }
    }

    private static int Size(IReadOnlyList<InternLmFileName> files, Func<InternLmFileName, int?> coordinate) => files.Count == 0 ? 1 : 1 + files.Max(file => coordinate(file) ?? 0);
}
