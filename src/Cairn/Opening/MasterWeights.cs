using Cairn.Layouts.InternLm;
using Cairn.State;

namespace Cairn.Opening;

/// <summary>
/// Mixed-precision training of other programs keeps the weights twice: rounded in the model, and as trained in the optimizer. Copies of it have the latter
/// as the part <c>master</c>, which nobody needs to own. A live model of that precision takes these.
/// </summary>
internal static class MasterWeights
{
    /// <summary>The part's name.</summary>
    public const string Part = InternLmCheckpoint.Master;

    /// <summary>Whether a live part has the types of the master weights where it has not those of the model.</summary>
    public static bool Fit(StateMap live, StateMap model, StateMap master)
    {
        bool differs = false;
        foreach ((string name, StateNode node) in live)
        {
            if (node is not StateTensor tensor || !model.TryGetValue(name, out StateNode? saved) || saved is not StateTensor weight || weight.Type == tensor.Type)
                continue;
            differs = true;
            if (!master.TryGetValue(name, out StateNode? precise) || (precise as StateTensor)?.Type != tensor.Type)
                return false;
        }
        return differs;
    }
}
