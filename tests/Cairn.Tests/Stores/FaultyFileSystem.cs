using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>The calls that can be made to fail.</summary>
internal enum FileSystemCall { List, OpenRead, Read, CreateFolder, OpenWrite, Write, Sync, SyncFolder, Move, Exchange, Link, DeleteFile, DeleteFolder, Append }

/// <summary>A call that is about to be made.</summary>
/// <param name="Call">Which one.</param>
/// <param name="Path">Its (first) path.</param>
/// <param name="Index">Its number among the calls that change something, from 0; -1 for those that only read.</param>
internal readonly record struct FaultPoint(FileSystemCall Call, string Path, int Index);

/// <summary>
/// Passes everything to another file system, but lets chosen calls fail. A <see cref="FileSystemCall.Write"/> or
/// <see cref="FileSystemCall.Append"/> that fails has written the first half of its bytes, as on a full disk.
/// </summary>
internal sealed class FaultyFileSystem(IFileSystem inner, Func<FaultPoint, Exception?> fault) : ForwardingFileSystem(inner)
{
    private int _changes;
    private volatile bool _broken;

    /// <summary>Whether, after the first failure, every later call fails too: the process was killed or the disk is gone.</summary>
    public bool StaysBroken { get; init; }
    /// <summary>Calls so far that change something, failed ones too.</summary>
    public int Changes => Volatile.Read(ref _changes);
    /// <summary>Calls that were made to fail.</summary>
    public List<FaultPoint> Failed { get; } = [];

    /// <summary>Fails the call with this number among those that change something, from 0.</summary>
    public static FaultyFileSystem At(IFileSystem Inner, int index, bool staysBroken = false) =>
        Where(Inner, p => p.Index == index, staysBroken);

    /// <summary>Fails the calls that a condition chooses, as a full disk does.</summary>
    public static FaultyFileSystem Where(IFileSystem Inner, Func<FaultPoint, bool> fails, bool staysBroken = false) =>
        new(Inner, p => fails(p) ? NoSpace(p) : null) { StaysBroken = staysBroken };


    public override IReadOnlyList<FileSystemEntry> List(string folder)
    {
        Meet(FileSystemCall.List, folder);
        return Inner.List(folder);
    }

    public override IReadableFile OpenRead(string path)
    {
        Meet(FileSystemCall.OpenRead, path);
        return new FaultyReadableFile(this, Inner.OpenRead(path), path);
    }

    public override void CreateFolder(string path)
    {
        Meet(FileSystemCall.CreateFolder, path);
        Inner.CreateFolder(path);
    }

    public override IWritableFile OpenWrite(string path, long length)
    {
        Meet(FileSystemCall.OpenWrite, path);
        return new FaultyWritableFile(this, Inner.OpenWrite(path, length), path);
    }

    public override void SyncFolder(string path)
    {
        Meet(FileSystemCall.SyncFolder, path);
        Inner.SyncFolder(path);
    }

    public override void Move(string from, string to)
    {
        Meet(FileSystemCall.Move, from);
        Inner.Move(from, to);
    }

    public override void Exchange(string first, string second)
    {
        Meet(FileSystemCall.Exchange, first);
        Inner.Exchange(first, second);
    }

    public override LinkOutcome Link(string file, string name, FileIdentity expected)
    {
        Meet(FileSystemCall.Link, file);
        return Inner.Link(file, name, expected);
    }

    public override void DeleteFile(string path)
    {
        Meet(FileSystemCall.DeleteFile, path);
        Inner.DeleteFile(path);
    }

    public override void DeleteFolder(string path)
    {
        Meet(FileSystemCall.DeleteFolder, path);
        Inner.DeleteFolder(path);
    }

    public override void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        bool alive = !_broken;
        Exception? failure = Fault(FileSystemCall.Append, path);
        if (failure is not null)
        {
            if (alive)
                Inner.Append(path, bytes[..(bytes.Length / 2)], durable: false);
            throw failure;
        }
        Inner.Append(path, bytes, durable);
    }

    private static IOException NoSpace(FaultPoint point) => new($"No space left on device (injected at {point}).", 28);

    private void Meet(FileSystemCall call, string path)
    {
        if (Fault(call, path) is { } failure)
            throw failure;
    }

    private Exception? Fault(FileSystemCall call, string path)
    {
        bool reads = call is FileSystemCall.List or FileSystemCall.OpenRead or FileSystemCall.Read;
        var point = new FaultPoint(call, path, reads ? -1 : Interlocked.Increment(ref _changes) - 1);
        Exception? failure = _broken ? NoSpace(point) : fault(point);
        if (failure is null)
            return null;
        lock (Failed)
            Failed.Add(point);
        _broken = StaysBroken;
        return failure;
    }

    private sealed class FaultyReadableFile(FaultyFileSystem owner, IReadableFile file, string path) : IReadableFile
    {
        public long Length => file.Length;

        public int Read(long offset, Span<byte> destination)
        {
            owner.Meet(FileSystemCall.Read, path);
            return file.Read(offset, destination);
        }

        public void Dispose() => file.Dispose();
    }

    private sealed class FaultyWritableFile(FaultyFileSystem owner, IWritableFile file, string path) : IWritableFile
    {
        public void Write(long offset, ReadOnlySpan<byte> block)
        {
            bool alive = !owner._broken;
            Exception? failure = owner.Fault(FileSystemCall.Write, path);
            if (failure is not null)
            {
                if (alive)
                    file.Write(offset, block[..(block.Length / 2)]);
                throw failure;
            }
            file.Write(offset, block);
        }

        public void Sync()
        {
            owner.Meet(FileSystemCall.Sync, path);
            file.Sync();
        }

        public void Dispose() => file.Dispose();
    }
}
