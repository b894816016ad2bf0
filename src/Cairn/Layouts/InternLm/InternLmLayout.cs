using Cairn.Checkpoints;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// The layout <c>internlm</c>: files of PyTorch with the names, keys and values that InternLM and InternEvo save and load, written for a world of one
/// rank and read for any. <c>&lt;step&gt;.step</c> is InternLM's completion marker, a file like the others; Cairn's own marker stands beside it as
/// <c>cairn.json</c>. What InternLM has no place for stands in files that its loader does not look at: <c>random_0.pt</c>, <c>cairn.pt</c>, <c>cairn_….pt</c>.
/// </summary>
internal sealed class InternLmLayout : ICheckpointLayout
{
    /// <summary>The layout's name.</summary>
    public const string LayoutName = "internlm";

    /// <summary>The layout.</summary>
    public static InternLmLayout Instance { get; } = new();

    /// <inheritdoc/>
    public string Name => LayoutName;

    /// <inheritdoc/>
    string ICheckpointLayout.MarkerName(long step) => RunFolder.Manifest;

    /// <inheritdoc/>
    public void CheckPart(string part) => CairnLayout.StemOf(part);

    /// <inheritdoc/>
    public IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<(string Part, StateMap State)> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach ((string part, _) in parts)
        {
            CheckPart(part);
            if (!names.Add(part))
                throw new ArgumentException($"Two parts are named '{part}'.", nameof(parts));
        }
        return InternLmPlan.Of(step, parts);
    }

    /// <summary>Opens a checkpoint: one that Cairn wrote, or that InternLM wrote in a job of any size, whose tensors are then put together.</summary>
    /// <inheritdoc/>
    public LoadedCheckpoint Open(IFileSource files, string folder, IEnumerable<string> fileNames)
    {
        ArgumentNullException.ThrowIfNull(files);
        string[] names = [.. fileNames];
        return names.Contains(InternLmPlan.IndexName, StringComparer.Ordinal)
            ? new IndexedCheckpoint(files, folder)
            : new InternLmCheckpoint(files, folder, names);
    }
}
