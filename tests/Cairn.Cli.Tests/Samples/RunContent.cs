using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Samples;

/// <summary>What two places hold of one run, to compare them.</summary>
internal static class RunContent
{
    /// <summary>Every copy's files with their bytes, and what its marker says but for the lease that wrote it.</summary>
    public static IReadOnlyDictionary<string, string> Of(IFileSource files)
    {
        var content = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (CatalogEntry entry in Catalog.Read(files).Entries)
        {
            entry.Fault.ShouldBeNull($"{files.Root}/{entry.Folder}");
            Verifier.Verify(files, entry).ShouldBeNull($"{files.Root}/{entry.Folder}");
            string name = $"{entry.Kind} {entry.Step}";
            if (entry.Marker is { IsDerived: false } marker)
                content[name] = Marker.HashOf((marker with { Fence = null, Token = null, Attempt = null }).ToBytes());
            using HeldCopy held = entry.Hold(files)!;
            foreach (FileSystemEntry file in UnmarkedTransfer.FilesOf(held, entry.Folder))
            {
                if (entry.Marker!.IsDerived || !CopyMarks.IsMark(file))
                    content[$"{name} {file.Name}"] = Marker.HashOf(SmallFile.Read(held, $"{entry.Folder}/{file.Name}", 64 << 20));
            }
        }
        return content;
    }

    /// <summary>The same of a folder.</summary>
    public static IReadOnlyDictionary<string, string> Of(string folder) => Of(new LocalFileSystem(folder));
}
