using System.Runtime.ExceptionServices;
using Cairn.Capture;
using Cairn.Layouts;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn.Saving;

/// <summary>What one rank writes of a copy: state that is live, or state that was captured into staging memory and is held until this is disposed.</summary>
internal sealed class CopyContent : IDisposable
{
    private readonly Func<IReadOnlyList<PlannedFile>> _plan;
    private readonly CapturedState? _captured;

    private CopyContent(Func<IReadOnlyList<PlannedFile>> plan, CapturedState? captured = null) => (_plan, _captured) = (plan, captured);

    /// <summary>What is still being copied; <see langword="null"/> when nothing is.</summary>
    public OverlappedCopy? Overlapped => _captured?.Overlapped;

    /// <summary>Which part goes into which file. No tensor is read.</summary>
    /// <exception cref="CheckpointException">The layout has no form for it, or it could not be captured.</exception>
    public IReadOnlyList<PlannedFile> Plan() => _plan();

    /// <summary>Waits until it is known that what was copied is the state of one step.</summary>
    /// <exception cref="CheckpointException">It is not, or nobody knows.</exception>
    public void Confirm() => Overlapped?.WaitUntilGood();

    /// <summary>State that does not change before this is disposed.</summary>
    public static CopyContent Live(ICheckpointLayout layout, PlanMemory before, long step, IReadOnlyList<RankPart> share, RankGroup ranks) => new(() => layout.Plan(step, share, ranks.World, ranks.Rank, before));

    /// <summary>
    /// Copies live state, which may change as soon as this returns. With <paramref name="overlap"/>, what changes in the update alone may not until <see cref="Overlapped"/> was
    /// finished: <see cref="Plan"/> waits for the copy, <see cref="Confirm"/> for the word that it is good.
    /// </summary>
    /// <exception cref="OutOfMemoryException">There is no memory for the copy, and no other rank waits for this one's word.</exception>
    public static CopyContent Capture(StateCapture capture, ICheckpointLayout layout, PlanMemory before, long step, IReadOnlyList<RankPart> share, RankGroup ranks, bool overlap)
    {
        try
        {
            CapturedState captured = overlap ? capture.CaptureOverlapped(Trees(share)) : capture.Capture(Trees(share));
            RankPart[] copied = [.. share.Select((part, i) => part with { State = captured.Parts[i].State, Revision = captured.Parts[i].Revision })];
            return new CopyContent(() =>
            {
                captured.Overlapped?.WaitUntilCopied();
                return layout.Plan(step, copied, ranks.World, ranks.Rank, before);
            }, captured);
        }
        catch (Exception e) when (ranks.Size > 1)
        {
            // The others wait for this rank's word; its writer gives it.
            var fault = ExceptionDispatchInfo.Capture(e);
            return new CopyContent(() =>
            {
                fault.Throw();
                return [];
            });
        }
    }

    /// <summary>The parts' trees by name, as staging memory takes them.</summary>
    public static List<(string Name, StateMap State)> Trees(IReadOnlyList<RankPart> share)
    {
        var trees = new List<(string, StateMap)>(share.Count);
        for (int i = 0; i < share.Count; i++)
            trees.Add((share[i].Name, share[i].State));
        return trees;
    }

    /// <summary>Gives staging memory back.</summary>
    public void Dispose() => _captured?.Dispose();
}
