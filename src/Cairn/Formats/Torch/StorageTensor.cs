using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Torch;

/// <summary>The bytes of a storage in a file: a tensor of one dimension.</summary>
/// <param name="file">The file.</param>
/// <param name="path">Its path, for messages.</param>
/// <param name="key">The storage's key, for messages.</param>
/// <param name="type">Element type.</param>
/// <param name="count">Elements.</param>
internal sealed class StorageTensor(IReadableFile file, string path, string key, TensorType type, long count) : StateTensor(type, [count]), IFileTensor
{
    /// <summary>Offset of the first byte in the file. In the older format it is known only after the pickle was read.</summary>
    public long Start { get; set; }

    public (IReadableFile File, long Offset)? Place => (file, Start);

    public override void CopyTo(long offset, Span<byte> destination)
    {
        CheckRange(this, offset, destination.Length);
        try
        {
            for (int done = 0; done < destination.Length;)
            {
                int read = file.Read(Start + offset + done, destination[done..]);
                if (read <= 0)
                    throw new CorruptTorchFileException(TorchFault.Truncated, path, $"the file ends at {Start + offset + done} while storage '{CorruptTorchFileException.Shorten(key)}' is being read", $"{destination.Length} bytes at {Start + offset}", $"{done} bytes");
                done += read;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"Reading storage '{CorruptTorchFileException.Shorten(key)}' from '{path}' failed: {e.Message} Check the store, then resume again.", e) { Path = path };
        }
    }

    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        CheckRange(this, offset, length);
        if (file is ISpanFile mapped)
            return mapped.TryGetSpan(Start + offset, length, out bytes);
        bytes = default;
        return false;
    }

    /// <summary>The bytes before and after belong to others.</summary>
    public static void CheckRange(StateTensor tensor, long offset, int length)
    {
        if (offset < 0 || length < 0 || offset > tensor.ByteLength - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes at {offset} do not lie within the {tensor.ByteLength} bytes of {tensor}.");
    }
}

/// <summary>Dense bytes within a storage.</summary>
internal sealed class StorageView(StateTensor source, long start, TensorType type, ReadOnlySpan<long> shape) : StateTensor(type, shape), IFileTensor
{
    public (IReadableFile File, long Offset)? Place => (source as IFileTensor)?.Place is { } place ? (place.File, place.Offset + start) : null;

    public override void CopyTo(long offset, Span<byte> destination)
    {
        StorageTensor.CheckRange(this, offset, destination.Length);
        if (!destination.IsEmpty)
            source.CopyTo(start + offset, destination);
    }

    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        StorageTensor.CheckRange(this, offset, length);
        bytes = default;
        return length == 0 || source.TryGetSpan(start + offset, length, out bytes);
    }
}
