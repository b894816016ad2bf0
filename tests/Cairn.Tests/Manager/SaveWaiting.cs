using System.Diagnostics;

namespace Cairn.Tests.Manager;

/// <summary>Waits for what a save does in the background. Sleeps between two looks: on a busy machine, a thread that spins takes the save's own time.</summary>
internal static class SaveWaiting
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Waits until no save is under way.</summary>
    public static void WaitForSave(this CheckpointManager checkpoints, string story = "") => Until(() => !checkpoints.IsSaving, $"the save does not end. {story}");

    /// <summary>Waits for something.</summary>
    public static void Until(Func<bool> condition, string otherwise)
    {
        long began = Stopwatch.GetTimestamp();
        using var never = new ManualResetEvent(initialState: false);
        while (!condition())
        {
            Stopwatch.GetElapsedTime(began).ShouldBeLessThan(Patience, otherwise);
            never.WaitOne(TimeSpan.FromMilliseconds(1));
        }
    }
}
