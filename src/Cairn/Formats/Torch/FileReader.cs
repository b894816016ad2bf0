using Cairn.Stores;

namespace Cairn.Formats.Torch;

/// <summary>Reads exactly what is asked for, or says that the file ended.</summary>
internal sealed class FileReader(IReadableFile file, string path)
{
    public string Path { get; } = path;
    public long Length => file.Length;

    public void Read(long offset, Span<byte> destination)
    {
        for (int done = 0; done < destination.Length;)
        {
            int read = file.Read(offset + done, destination[done..]);
            if (read <= 0)
                throw new CorruptTorchFileException(TorchFault.Truncated, Path, $"the file ends at {offset + done} while it is being read", $"{destination.Length} bytes at {offset}", $"{done} bytes");
            done += read;
        }
    }
}
