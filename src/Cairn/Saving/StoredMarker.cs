using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>The marker of a copy in a store that cannot rename: put only where none is, and then looked at, for all depends on it.</summary>
/// <param name="store">The run.</param>
internal sealed class StoredMarker(IRunStore store)
{
    private readonly StoreFiles _files = new(store);

    /// <summary>Puts a marker.</summary>
    /// <exception cref="StoreException">Another process has put one meanwhile, or the store does not keep it.</exception>
    public void Put(string path, byte[] marker)
    {
        bool isOurs;
        try
        {
            isOurs = StoreCall.Wait(() => store.TryPutAsync(path, marker));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It may be there all the same, and only the answer was lost.
            if (Holds(path, marker) != true)
                throw;
            return;
        }
        if (isOurs)
            CheckKept(path, marker);
        else if (Holds(path, marker) != true)
            throw NotAlone(path);
    }

    /// <summary>Two programs write one run.</summary>
    public StoreException NotAlone(string path) => new($"Another process has put {path} into {store.Root} meanwhile. Two programs write one run: stop one of them.") { Path = path };

    /// <summary>Reads a marker; <see langword="null"/> when it cannot be understood.</summary>
    public static Marker? Read(IFileSource files, string path)
    {
        try
        {
            return Marker.Parse(SmallFile.Read(files, path, Marker.MaxLength), path);
        }
        catch (CorruptCheckpointException)
        {
            return null;
        }
    }

    // A store's word is not enough where all depends on it. One that cannot tell now has given it.
    private void CheckKept(string path, byte[] marker)
    {
        if (Holds(path, marker) != false)
            return;
        // Half a marker would keep others from being understood.
        StoreCall.Wait(() => store.DeleteAsync(path));
        throw new StoreException($"Nothing was saved: {store.Root} said that {path} was put, and does not have it, or not whole. No copy is safe there.") { Path = path };
    }

    // Null when the store cannot tell now.
    private bool? Holds(string path, byte[] marker)
    {
        try
        {
            return SmallFile.Read(_files, path, Marker.MaxLength).AsSpan().SequenceEqual(marker);
        }
        catch (Exception e) when (e is FileNotFoundException or CorruptCheckpointException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
