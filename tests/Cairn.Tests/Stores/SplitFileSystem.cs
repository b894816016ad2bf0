using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>Passes everything to another file system, but refuses renames between places that are said to be on different ones.</summary>
internal sealed class SplitFileSystem(IFileSystem inner, Func<IFileSystem, string, bool> isElsewhere) : ForwardingFileSystem(inner)
{
    private const int CrossDevice = 18;
    private const string Tag = ".lower";

    /// <summary>The folder of the snapshots is a link to another file system.</summary>
    public static SplitFileSystem SnapshotsApart(IFileSystem Inner) => new(Inner, static (_, path) => path.StartsWith("snapshot/", StringComparison.Ordinal));

    /// <summary>The folders that are tagged stand in the lower layer of an overlay.</summary>
    public static SplitFileSystem Overlay(IFileSystem Inner) => new(Inner, static (files, path) => files.FileExists($"{path}/{Tag}"));

    /// <summary>Tags a folder.</summary>
    public static void MakeLower(IFileSystem Inner, string folder) => Inner.OpenWrite($"{folder}/{Tag}", 0).Dispose();

    /// <summary>Renames that were refused.</summary>
    public int Refused { get; private set; }


    public override void Move(string from, string to)
    {
        Refuse(from, to);
        Inner.Move(from, to);
    }

    public override void Exchange(string first, string second)
    {
        Refuse(first, second);
        Inner.Exchange(first, second);
    }

    public override LinkOutcome Link(string file, string name, FileIdentity expected) => isElsewhere(Inner, file) == isElsewhere(Inner, name) ? Inner.Link(file, name, expected) : LinkOutcome.NotThisOne;

    // A folder of a lower layer cannot be renamed at all; one of two file systems only within its own.
    private void Refuse(string from, string to)
    {
        if (isElsewhere(Inner, from) == isElsewhere(Inner, to) && !Inner.FileExists($"{from}/{Tag}"))
            return;
        Refused++;
        throw new IOException($"Invalid cross-device link from '{from}' to '{to}'", CrossDevice);
    }
}
