using Cairn.Stores;

namespace Cairn.Cli.Listing;

/// <summary>The files in a folder and below it.</summary>
/// <param name="Names">Names of the files that lie in the folder itself.</param>
/// <param name="Bytes">Bytes of all files.</param>
/// <param name="Count">How many files there are.</param>
/// <param name="Newest">When the newest was written.</param>
internal sealed record FolderFiles(IReadOnlySet<string> Names, long Bytes, int Count, DateTimeOffset? Newest)
{
    /// <summary>Looks at a folder. What vanishes meanwhile, or may not be read, is left out.</summary>
    public static FolderFiles Of(DirectoryInfo folder)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        long bytes = 0;
        int count = 0;
        DateTime? newest = null;
        var all = new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 4, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None };
        foreach (FileInfo file in folder.EnumerateFiles("*", all))
        {
            count++;
            bytes += LengthOf(file);
            newest = newest is { } time && time > file.LastWriteTimeUtc ? time : file.LastWriteTimeUtc;
            if (Path.GetDirectoryName(file.FullName.AsSpan()).SequenceEqual(folder.FullName))
                names.Add(file.Name);
        }
        return new FolderFiles(names, bytes, count, newest is { } last ? new DateTimeOffset(last) : null);
    }

    /// <summary>Looks at a folder of a store, which tells no times.</summary>
    public static FolderFiles Of(IFileSource files, string folder)
    {
        IReadOnlyList<FileSystemEntry> entries = files.List(folder);
        FolderFiles[] below = [.. entries.Where(entry => entry.IsFolder).Select(entry => Of(files, $"{folder}/{entry.Name}"))];
        FileSystemEntry[] own = [.. entries.Where(entry => !entry.IsFolder)];
        return new FolderFiles(
            own.Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal), own.Sum(entry => entry.Length) + below.Sum(one => one.Bytes), own.Length + below.Sum(one => one.Count), null);
    }

    /// <summary>Bytes of a file; 0 when it is not there any more, or has a name that is not UTF-8 and so cannot be asked for.</summary>
    public static long LengthOf(FileInfo file)
    {
        try
        {
            return file.Length;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
