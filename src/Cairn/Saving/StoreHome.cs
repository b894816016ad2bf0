using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A run in a store.</summary>
internal sealed class StoreHome(IRunStore store) : IRunHome
{
    private static readonly byte[] Content = "cairn probe\n"u8.ToArray();

    public IRunFiles Files { get; } = new StoreRunFiles(store);

    public bool IsFar => true;

    public ICopyPublisher Publisher(ILease? lease = null, SignsOfLife? signs = null) => new MarkerPublisher(signs is null ? store : new TimedRunStore(store, signs), lease);

    public ILease Acquire(TimeProvider time, TimeSpan duration, Action<string> waiting, Action<string> lost, CancellationToken cancellationToken) =>
        StoreLease.Acquire(store, time, duration, waiting, lost, cancellationToken);

    public void Probe()
    {
        string path = $".probe-{Guid.NewGuid():N}/a";
        try
        {
            if (!StoreCall.Wait(() => store.TryPutAsync(path, Content)) || StoreCall.Wait(() => store.TryPutAsync(path, Content)))
                throw Bad("put an object where one was, although it was only to be put where none is");
            if (!SmallFile.Read(Files, path, Content.Length).AsSpan().SequenceEqual(Content))
                throw Bad("gave back other bytes than were written");
            StoreCall.Wait(() => store.DeleteAsync(path));
            if (Files.FolderExists(StorePath.Parent(path)))
                throw Bad("still lists an object that was removed");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"{store.Root} cannot be written: {e.Message} Check the address, the permissions and the quota.", e) { Path = store.Root };
        }
    }

    private StoreException Bad(string what) => new($"{store.Root} {what}. No copy is safe there.") { Path = store.Root };
}
