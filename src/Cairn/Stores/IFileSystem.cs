namespace Cairn.Stores;

/// <summary>
/// The few operations of a file system that the commit protocol is made of, so that faults can be put between any two of them.
/// Paths are relative to the root, with <c>/</c> between names; the root itself is the empty path.
/// Failures are <see cref="IOException"/>s and <see cref="UnauthorizedAccessException"/>s, as the file system reports them.
/// </summary>
internal interface IFileSystem : IRunFiles
{
    /// <summary>Whether <see cref="Exchange"/> works here.</summary>
    bool CanExchange { get; }
    /// <summary>Bytes that can still be written; <see langword="null"/> when it is not known.</summary>
    long? AvailableBytes();
    /// <summary>Bytes that can still be written into a folder, which need not exist yet and may be a link or mount to another file system; <see langword="null"/> when it is not known.</summary>
    long? AvailableBytes(string folder) => AvailableBytes();
    /// <summary>
    /// Bytes that would come free if a folder were removed with all in it; 0 when there is no such folder. A file that another name keeps frees nothing, and
    /// a sparse one only what it takes. Where a file system cannot tell, the lengths of the files.
    /// </summary>
    long ReclaimableBytes(string folder)
    {
        long bytes = 0;
        foreach (FileSystemEntry entry in List(folder))
            bytes += entry.IsFolder ? ReclaimableBytes($"{folder}/{entry.Name}") : entry.Length;
        return bytes;
    }
    /// <summary>Makes a folder and those above it. Durable only after <see cref="SyncFolder"/> on each one's parent.</summary>
    void CreateFolder(string path);
    /// <summary>
    /// Opens a file for writing from its start; space for <paramref name="length"/> bytes is reserved first. A file that exists is overwritten in place
    /// and cut to <paramref name="length"/> when nobody else can see its bytes (<see cref="CanOverwrite"/>). Otherwise a new file takes its name, and
    /// whoever has the old one open, mapped or linked keeps it as it was.
    /// </summary>
    /// <exception cref="IOException">Among others: there is no space for <paramref name="length"/> bytes; what was there is untouched.</exception>
    IWritableFile OpenWrite(string path, long length);
    /// <summary>
    /// Whether <see cref="OpenWrite"/> would overwrite this file in place, because it has no other name and nobody has it open or mapped. Where that
    /// cannot be known, the answer is <see langword="false"/>.
    /// </summary>
    bool CanOverwrite(string path) => false;
    /// <summary>What tells this file from others and from itself after it was written to; <see langword="null"/> when it is not there, or nobody can tell.</summary>
    FileIdentity? Identify(string path) => null;
    /// <summary>Gives a file a second name, if it is still this one; a file that had the name loses it. Durable only after <see cref="SyncFolder"/> on the new name's folder.</summary>
    LinkOutcome Link(string file, string name, FileIdentity expected) => LinkOutcome.Unsupported;
    /// <summary>Makes the bytes of a file durable that somebody else wrote.</summary>
    void SyncFile(string path)
    {
    }
    /// <summary>Makes the entries of a folder durable: names made, renamed and removed in it.</summary>
    void SyncFolder(string path);
    /// <summary>Swaps two folders atomically.</summary>
    /// <exception cref="NotSupportedException">When <see cref="CanExchange"/> is <see langword="false"/>.</exception>
    void Exchange(string first, string second);
    /// <summary>Removes a folder with all in it; nothing happens when there is none.</summary>
    void DeleteFolder(string path);

    void IRunFiles.Put(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        string beside = path + ".new";
        using (IWritableFile file = OpenWrite(beside, bytes.Length))
        {
            file.Write(0, bytes);
            if (durable)
                file.Sync();
        }
        Move(beside, path);
        if (durable)
            SyncFolder(StorePath.Parent(path));
    }
}

/// <summary>A file open for writing. All of its bytes are to be written, each once.</summary>
internal interface IWritableFile : IDisposable
{
    /// <summary>
    /// Writes a block. Blocks may come in any order and from several threads at once; each begins at a multiple of <see cref="AlignedMemory.Alignment"/>, and but for the last of
    /// the file ends at one.
    /// </summary>
    void Write(long offset, ReadOnlySpan<byte> block);
    /// <summary>Whether blocks are written best from memory that begins at a multiple of <see cref="AlignedMemory.Alignment"/>; from other memory they are copied first.</summary>
    bool WantsPages => false;
    /// <summary>Makes all that was written durable. No block may be under way.</summary>
    void Sync();
}
