namespace Cairn.Stores;

/// <summary>A small input that the user named on the command line. Besides a file it may be a pipe: <c>/dev/stdin</c>, or the shell's <c>&lt;(…)</c>.</summary>
internal static class NamedInput
{
    /// <summary>Reads to the end; waits for whoever writes a pipe.</summary>
    /// <param name="path">What the user named.</param>
    /// <param name="largest">Most bytes that are expected.</param>
    /// <exception cref="IOException">Among others: there is more, or no end, as of a device.</exception>
    public static byte[] Read(string path, int largest)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        var bytes = new MemoryStream();
        byte[] block = new byte[64 << 10];
        while (stream.Read(block) is > 0 and var read)
        {
            bytes.Write(block, 0, read);
            if (bytes.Length > largest)
                throw new IOException($"'{path}' holds more than the {largest} bytes that are expected.");
        }
        return bytes.ToArray();
    }
}
