using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>A file whose bytes can be used where they lie on the disk.</summary>
internal interface IMappableFile : IReadableFile
{
    /// <summary>Maps the file that is open; <see langword="null"/> where it is not one of a disk, or empty.</summary>
    /// <exception cref="IOException">The system refuses.</exception>
    PrivateMapping? Map();
}

/// <summary>
/// A file mapped into memory, privately: what is written there stays in this process, page by page, and never reaches the file. It is unmapped when the last who holds it lets go. The file may be renamed and
/// removed meanwhile; what is written into it may be seen, and when it is cut short, touching what is gone ends the process.
/// </summary>
internal sealed unsafe class PrivateMapping
{
    private readonly MemoryMappedViewAccessor _view;
    // Whoever has made it holds it.
    private int _holders = 1;

    private PrivateMapping(MemoryMappedViewAccessor view, nint start) => (_view, Start) = (view, start);

    /// <summary>Where the file's first byte lies.</summary>
    public nint Start { get; }

    /// <summary>Maps a file that is open; <see langword="null"/> when it is empty.</summary>
    /// <exception cref="IOException">The system refuses.</exception>
    public static PrivateMapping? Of(SafeFileHandle handle, long length)
    {
        // The system refuses to map nothing.
        if (length == 0)
            return null;
        // A view outlasts what it was made from.
        using MemoryMappedFile file = MemoryMappedFile.CreateFromFile(handle, mapName: null, capacity: 0, MemoryMappedFileAccess.CopyOnWrite, HandleInheritability.None, leaveOpen: true);
        MemoryMappedViewAccessor view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.CopyOnWrite);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        return new PrivateMapping(view, (nint)(start + view.PointerOffset));
    }

    /// <summary>Keeps it until one more <see cref="Release"/>.</summary>
    public void Hold() => Interlocked.Increment(ref _holders);

    /// <summary>Lets go.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) > 0)
            return;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
    }
}
