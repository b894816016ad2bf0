using Cairn.Checkpoints;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>A run on a disk or in a store, and another process that does something between two operations of this one.</summary>
internal sealed class PinGround(bool isStore, bool canExchange = true)
{
    readonly MemoryRunStore _store = new();
    public SimulatedFileSystem Disk { get; } = new() { CanExchange = canExchange };

    public IRunFiles Files => isStore ? new StoreRunFiles(_store) : Disk;

    public ICopyPublisher Publisher(ILease? lease = null) => isStore ? new MarkerPublisher(_store, lease) : new RenamePublisher(Disk, lease);

    public SampleRun Run => field ??= new SampleRun(Publisher);

    /// <summary>Has a process train the run.</summary>
    public IDisposable? BeTrained()
    {
        if (isStore)
            return StoreLease.Acquire(_store, TimeProvider.System, RunLock.DefaultLease, static _ => { }, static _ => { }, TestContext.Current.CancellationToken);
        ((IRunFiles)Disk).Put(RunLock.FileName, RunLockHolder.ThisProcess(TimeProvider.System).ToJson(), durable: false);
        return null;
    }

    /// <summary>Does something with the other process acting before the operation of this number.</summary>
    /// <returns>How many operations there were.</returns>
    public int Interrupted(int at, Action other, Action<ICopyPublisher, IRunFiles> act)
    {
        if (isStore)
        {
            var store = new InterruptedRunStore(_store, at, other);
            act(new MarkerPublisher(store), new StoreRunFiles(store));
            return store.Calls;
        }
        var files = new InterruptedFileSystem(Disk, at, other);
        act(new RenamePublisher(files), files);
        return files.Operations;
    }

    public CheckpointPin Pin(long step, IRunFiles? files = null) => new PinWriter(files ?? Files, TimeProvider.System).Pin(CheckpointPins.CopyOf(Files, step), "test", null);

    public CheckpointPin? TryPin(long step)
    {
        try
        {
            return Pin(step);
        }
        catch (Exception e) when (e is CopyChangedException || e.Message.Contains("no complete copy", StringComparison.Ordinal))
        {
            return null;
        }
    }
}
