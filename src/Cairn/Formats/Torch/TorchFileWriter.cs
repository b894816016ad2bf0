using Cairn.Formats.Torch.Pickle;
using Cairn.Formats.Torch.Zip;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// A file of PyTorch (<c>.pt</c>, <c>.pth</c>, <c>.bin</c>) as <c>torch.save</c> writes it since 1.6: a zip archive with the pickle of the values and one record
/// per storage, each at a multiple of 64 bytes, so that <c>torch.load</c> with <c>weights_only=True</c> and with <c>mmap=True</c> opens it.
/// Views keep their strides and offset, and a storage that several tensors share is written once. Equal values give equal bytes.
/// <code>NAME/data.pkl  NAME/byteorder  NAME/data/0 …  NAME/version</code>
/// Which values PyTorch's versions take under <c>weights_only=True</c> stands at <see cref="Plan"/>. Format: <c>torch/serialization.py</c>, <c>_save</c>.
/// </summary>
public sealed class TorchFileWriter : IFileContent
{
    // Blocks from this length on are worth handing to another thread.
    private const int ConcurrentLength = 256 * 1024;

    private readonly StoredZip _zip;
    private readonly IReadOnlyList<Record> _records;

    private TorchFileWriter(StoredZip zip, IReadOnlyList<Record> records)
    {
        _zip = zip;
        _records = records;
        Tensors = [.. records.Where(record => record.Tensor is not null).Select(record => new TensorPlacement(record.Name, record.Tensor!, record.Entry.DataOffset))];
    }

    /// <inheritdoc/>
    public long Length => _zip.Length;

    /// <summary>The storages in file order, each by the path of the first tensor that looks into it: keys and indexes joined by <c>/</c>.</summary>
    public IReadOnlyList<TensorPlacement> Tensors { get; }

    /// <summary>Plans a file. No tensor is read.</summary>
    /// <param name="root">
    /// The values. <c>weights_only=True</c> of PyTorch 2.6 takes all that is written. That of 1.13 refuses, in any file, floats, bytes, complex, sets, devices,
    /// Counters and the dtypes bool, uint8 and bfloat16 as values; <c>weights_only=False</c> takes them. Tensors of U16, U32, U64 and of 8-bit floats, and storages
    /// that tensors of several types share, need PyTorch 2.1 or newer. A defaultdict is written as a dict.
    /// </param>
    /// <param name="archiveName">The name of the folder in the archive; PyTorch takes the file's name without extension.</param>
    /// <exception cref="ArgumentException">
    /// A value cannot be written, with its path: a frozenset, a class or object other than a dtype and <c>torch.device</c>, a tensor of 4- or 6-bit floats or of a view that does
    /// not fit its storage, a value that contains itself, more than 500 levels. Or the archive's name is empty, or holds <c>/</c>, <c>\</c> or NUL.
    /// </exception>
    /// <exception cref="OverflowException">The file would be longer than 2^63 bytes.</exception>
    public static TorchFileWriter Plan(TorchValue root, string archiveName)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentException.ThrowIfNullOrEmpty(archiveName);
        if (archiveName.AsSpan().ContainsAny('/', '\\', '\0') || archiveName is "." or "..")
            throw new ArgumentException($"'{archiveName}' cannot name an archive: it is one folder's name.", nameof(archiveName));
        TorchStorageTable storages = TorchStorageTable.Of(root);
        var zip = new StoredZip();
        var records = new List<Record>(storages.Records.Count + 3);
        AddBytes("data.pkl", PickleWriter.Write(root, storages));
        AddBytes("byteorder", "little"u8.ToArray());
        foreach (StorageRecord storage in storages.Records)
        {
            StateTensor bytes = storage.Storage.Bytes;
            records.Add(new Record(zip.Add($"{archiveName}/data/{storage.Key}", bytes.ByteLength), storage.Name, default, bytes));
        }
        // The version of the format that PyTorch has written since 1.6.
        AddBytes("version", "3\n"u8.ToArray());
        return new TorchFileWriter(zip, records);

        void AddBytes(string name, ReadOnlyMemory<byte> bytes) => records.Add(new Record(zip.Add($"{archiveName}/{name}", bytes.Length), name, bytes, null));
    }

    /// <summary>
    /// Gives the file's bytes to a sink, from first to last: without a copy where a storage has a span, else through one pooled buffer. Each block is also
    /// taken into its record's CRC-32, which stands after the record; for large blocks another thread does that while the sink has the block.
    /// </summary>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    public void WriteTo(BlockSink sink)
    {
        var checksum = new ZipChecksum();
        uint[] checksums = new uint[_records.Count];
        using var structure = new BlockWriter(sink);
        using var content = new BlockWriter((bytes, type, name) =>
        {
            if (bytes.Length >= ConcurrentLength)
                AppendWhile(checksum, bytes, sink, type, name);
            else
            {
                checksum.Append(bytes);
                sink(bytes, type, name);
            }
        });
        byte[] before = [];
        for (int i = 0; i < checksums.Length; i++)
        {
            Record record = _records[i];
            // One block from the end of a record to the start of the next.
            structure.Write([.. before, .. StoredZip.LocalHeader(record.Entry)]);
            if (record.Tensor is { } tensor)
                content.Write(tensor, record.Name);
            else
                content.Write(record.Bytes.Span);
            checksums[i] = checksum.Finish();
            before = StoredZip.Descriptor(record.Entry, checksums[i]);
        }
        structure.Write([.. before, .. _zip.Directory(checksums)]);
    }

    private static unsafe void AppendWhile(ZipChecksum checksum, ReadOnlySpan<byte> bytes, BlockSink sink, TensorType? type, string? name)
    {
        int length = bytes.Length;
        fixed (byte* start = bytes)
        {
            nint address = (nint)start;
            var appended = Task.Run(() => checksum.Append(new ReadOnlySpan<byte>((void*)address, length)));
            try
            {
                sink(bytes, type, name);
            }
            finally
            {
                // The memory is the caller's again only when nobody reads it any more.
                appended.GetAwaiter().GetResult();
            }
        }
    }

    private sealed record Record(StoredZipEntry Entry, string Name, ReadOnlyMemory<byte> Bytes, StateTensor? Tensor);
}
