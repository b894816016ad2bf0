using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A run in a folder.</summary>
internal sealed class DiskHome(IFileSystem files) : IRunHome
{
    public IRunFiles Files => files;

    public ICopyPublisher Publisher(ILease? lease = null, SignsOfLife? signs = null) => new RenamePublisher(signs is null ? files : new TimedFileSystem(files, signs), lease);

    public ILease? Acquire(TimeProvider time, TimeSpan duration, Action<string> waiting, Action<string> lost, CancellationToken cancellationToken)
    {
        files.CreateFolder("");
        return files is LocalFileSystem local ? RunLock.Acquire(local, time, duration, waiting, lost, cancellationToken) : null;
    }

    public void Probe() => StoreProbe.Run(files);
}
