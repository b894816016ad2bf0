using System.IO.Hashing;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>A lock file as it was read once: which file it was, and what it said.</summary>
internal sealed class LockReading
{
    private const int MostContent = 4096;

    private LockReading(FileStatus status, byte[] content) => (Status, Content, Holder) = (status, content, RunLockHolder.FromJson(content));

    public FileStatus Status { get; }

    public byte[] Content { get; }

    /// <summary>Who stands in it; <see langword="null"/> when it is empty or cannot be understood.</summary>
    public RunLockHolder? Holder { get; }

    /// <summary>Names what stands there; a record with a token has the same name at each of its heartbeats.</summary>
    public string Id => Holder?.Token is { } token && token.All(char.IsAsciiLetterOrDigit) ? token : Convert.ToHexStringLower(XxHash128.Hash(Content));

    /// <summary>Reads what stands at a path now; <see langword="null"/> when nothing does. Opened anew, so that a network file system looks again.</summary>
    public static LockReading? At(string path)
    {
        try
        {
            using SafeFileHandle handle = RegularFile.OpenRead(path);
            return Of(handle, path);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Reads an open file.</summary>
    public static LockReading Of(SafeFileHandle handle, string path) => new(FileStatus.Of(handle, path), ReadContent(handle));

    public static byte[] ReadContent(SafeFileHandle handle)
    {
        byte[] content = new byte[Math.Min(RandomAccess.GetLength(handle), MostContent)];
        return content[..RandomAccess.Read(handle, content, 0)];
    }

    /// <summary>Whether it says exactly the same as before.</summary>
    public bool IsUnchanged(LockReading? other) => other is not null && Status.IsSameFile(other.Status) && Content.AsSpan().SequenceEqual(other.Content);
}
