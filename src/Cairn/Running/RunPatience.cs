using Cairn.Ranks;
using Cairn.Saving;

namespace Cairn.Running;

/// <summary>How long training waits for other ranks, or for a store that gives no sign of life: what is left of the time to stop, once a signal was heard.</summary>
internal sealed class RunPatience(CheckpointOptions options, RankGroup ranks, RunRequests requests)
{
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1), Beat = TimeSpan.FromMilliseconds(200);

    /// <summary>Longest wait for another rank.</summary>
    public TimeSpan Longest
    {
        get
        {
            TimeSpan longest = ranks.Size == 1 ? options.StoreTimeout : options.RankTimeout;
            if (!requests.SignalAgreed || options.StopGrace is not { } grace)
                return longest;
            TimeSpan left = grace - requests.SinceSignal;
            return left < Least ? Least : left < longest ? left : longest;
        }
    }

    /// <summary>How long a store may give no sign of life: other ranks are waited for a little longer than the first one waits.</summary>
    public TimeSpan LongestSilence => ranks.Size == 1 ? Longest : WriterThread.LongestSilence(Longest);

    /// <summary>
    /// Waits for what a thread writes. Of many ranks all wait for the slowest, and tell one another that they are alive. One whose store hangs is not waited for.
    /// </summary>
    /// <param name="writer">This rank's thread.</param>
    /// <param name="what">What is waited for, the same text on all ranks.</param>
    public void WaitFor(WriterThread writer, string what)
    {
        if (ranks.Size == 1)
        {
            writer.WaitWhileAlive(LongestSilence);
            return;
        }
        byte[] verdict;
        do
        {
            writer.Wait(Beat);
            byte waits = writer.IsBusy && !writer.IsSilentFor(LongestSilence) ? (byte)1 : (byte)0;
            verdict = ranks.Agree(what, [waits], parts => [parts.Max(part => part.Span[0])], Longest);
        }
        while (verdict[0] != 0);
    }
}
