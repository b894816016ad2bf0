using Cairn.Ranks;
using Cairn.Saving;

namespace Cairn.Running;

/// <summary>How long training waits for other ranks, or for a store that gives no sign of life: what is left of the time to stop, once a signal was heard.</summary>
internal sealed class RunPatience(CheckpointOptions options, RankGroup ranks, RunRequests requests)
{
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

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
}
