using Cairn.Ranks;

namespace Cairn.Saving.Stages;

/// <summary>
/// The first rank makes room for the files of all, and a place for them. Room may have to be made, and for that a whole copy be read: until it is, all hear once a second that the
/// first rank lives, unless its store gives no sign of life. Then it waits for the store, and the others give up.
/// </summary>
/// <param name="publisher">The store.</param>
/// <param name="silence">For how long the store has given no sign of life.</param>
internal sealed class PrepareStage(ICopyPublisher publisher, Func<TimeSpan> silence) : ISaveStage
{
    private static readonly TimeSpan LongestBeat = TimeSpan.FromSeconds(1);

    // One that hangs in a store may outlive its save; the next one waits for it, for a publisher does one thing at a time.
    private Task _before = Task.CompletedTask;

    public void Run(SaveInProgress save)
    {
        do
        {
            ReadOnlyMemory<byte> answer = save.Work.Agree("prepare", to => to.Write(save.BytesToWrite), parts =>
            {
                string place = Prepared(save, parts.Sum(part => RankMessages.Read(part, from => from.ReadInt64())));
                return RankMessages.Write(to => to.Write(place));
            });
            if (!save.Ranks.IsFirst)
                save.Progressed();
            if (RankMessages.Read(answer, from => from.ReadString()) is { Length: > 0 } ready)
                save.Place = ready;
        }
        while (save.Place is null);
    }

    // Empty while it is not ready.
    private string Prepared(SaveInProgress save, long bytes)
    {
        if (!save.IsShared)
            return publisher.Prepare(save.Marker, bytes, isShared: false, save.Notes);
        save.Preparing ??= Begin(save, bytes);
        bool isReady = ((IAsyncResult)save.Preparing).AsyncWaitHandle.WaitOne(Beat(save.Timeout));
        return isReady || silence() >= save.Timeout ? save.Preparing.GetAwaiter().GetResult() : "";
    }

    private Task<string> Begin(SaveInProgress save, long bytes)
    {
        Task before = _before;
        Task<string> preparing = Task.Run(async () =>
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return publisher.Prepare(save.Marker, bytes, isShared: true, save.Notes);
        });
        _before = preparing;
        return preparing;
    }

    private static TimeSpan Beat(TimeSpan timeout) => timeout / 4 < LongestBeat ? timeout / 4 : LongestBeat;
}
