namespace Cairn.Stores;

/// <summary>Files that are read as a whole, such as a marker or the record of a run.</summary>
public static class SmallFile
{
    /// <summary>Reads a whole small file, whose size is checked first.</summary>
    /// <exception cref="CorruptCheckpointException">It is larger than <paramref name="largest"/> bytes, or ends early.</exception>
    public static byte[] Read(IFileSource files, string path, int largest)
    {
        using IReadableFile file = files.OpenRead(path);
        return Read(file, files.Root, path, largest);
    }

    /// <summary>As above, of an open file.</summary>
    internal static byte[] Read(IReadableFile file, string root, string path, int largest)
    {
        if (file.Length > largest)
            throw new CorruptCheckpointException($"{path} in {root} has {file.Length} bytes; at most {largest} are expected.") { Path = path };
        byte[] bytes = new byte[file.Length];
        int read = file.Read(0, bytes);
        return read == bytes.Length
            ? bytes
            : throw new CorruptCheckpointException($"{path} in {root} ended after {read} of {bytes.Length} bytes.") { Path = path };
    }
}
