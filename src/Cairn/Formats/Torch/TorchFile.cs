using System.Collections.ObjectModel;
using Cairn.Formats.Torch.Pickle;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Torch;

/// <summary>
/// A file of PyTorch (<c>.pt</c>, <c>.pth</c>, <c>.bin</c>) open for reading: the zip format, and the older one of before PyTorch 1.6. Its pickle
/// is read by Cairn, which makes values and calls nothing. Its tensors read straight into the span that <see cref="StateTensor.CopyTo"/> is
/// given, from any thread, until the file is disposed. Source of the formats: <c>torch/serialization.py</c>.
/// </summary>
/// <remarks>A storage that was saved by itself is read as a tensor of one dimension; arrays of numpy are read as tensors.</remarks>
public sealed class TorchFile : IDisposable
{
    private readonly IReadableFile _file;
    private TorchContents _contents;

    private TorchFile(IReadableFile file, string path, TorchContents contents)
    {
        _file = file;
        _contents = contents;
        Path = path;
        Storages = new ReadOnlyDictionary<string, TorchStorage>(contents.Storages);
    }

    /// <summary>The file's path, as in messages.</summary>
    public string Path { get; }
    /// <summary>What was saved.</summary>
    public TorchValue Root => _contents.Root;
    /// <summary>The storages that its tensors look into, by their keys in the file.</summary>
    public IReadOnlyDictionary<string, TorchStorage> Storages { get; }
    /// <summary>Whether the file has the format of before PyTorch 1.6.</summary>
    public bool IsLegacy => _contents.Archive is null;
    /// <summary>Whether its records have checksums: not in the format of before PyTorch 1.6, nor when they were switched off for saving.</summary>
    public bool HasChecksums => _contents.HasChecksums;

    /// <summary>Opens a file and reads all of it but the tensors' bytes. One that was packed with gzip is unpacked into a temporary file first.</summary>
    /// <exception cref="CorruptCheckpointException">The file is bad.</exception>
    /// <exception cref="ForbiddenPickleException">It holds more than plain data.</exception>
    /// <exception cref="IOException">The file could not be opened or read.</exception>
    public static TorchFile Open(IFileSource files, string path, TorchReadOptions? options = null) => Open(UnpackedGzip.OrSelf(files.OpenRead(path), path), path, options);

    /// <summary>Reads an open file, which from here on belongs to the result, or is disposed when this throws.</summary>
    /// <exception cref="CorruptCheckpointException">The file is bad.</exception>
    /// <exception cref="ForbiddenPickleException">It holds more than plain data.</exception>
    /// <exception cref="IOException">The file could not be read.</exception>
    internal static TorchFile Open(IReadableFile file, string path, TorchReadOptions? options = null)
    {
        try
        {
            return new TorchFile(file, path, TorchContents.Read(file, path, options ?? TorchReadOptions.Default));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Maps a local file into memory; <see cref="StateTensor.TryGetSpan"/> of its dense tensors gives the bytes without a copy. No span may be
    /// used after the file is disposed, and nobody may cut the file while it is mapped: both end the process.
    /// </summary>
    /// <param name="filePath">A path of the operating system.</param>
    /// <param name="options">How to read; <see langword="null"/> for the defaults.</param>
    /// <exception cref="CorruptCheckpointException">The file is bad.</exception>
    /// <exception cref="ForbiddenPickleException">It holds more than plain data.</exception>
    /// <exception cref="IOException">The file could not be opened or mapped.</exception>
    public static TorchFile Map(string filePath, TorchReadOptions? options = null) => Open(new MappedFile(filePath), filePath, options);

    /// <summary>
    /// Reads a plain pickle, as <c>pickle.dump</c> writes it, to its STOP: the <c>.metadata</c> of a distributed checkpoint, for example. It may
    /// hold arrays of numpy, and tensors in the way of <c>pickle.dump</c>.
    /// </summary>
    /// <param name="file">The file; it stays open, and is not used any more.</param>
    /// <param name="path">Its path, for messages.</param>
    /// <param name="options">How to read; <see langword="null"/> for the defaults.</param>
    /// <exception cref="CorruptCheckpointException">The pickle is bad, or something follows it.</exception>
    /// <exception cref="ForbiddenPickleException">It holds more than plain data.</exception>
    public static TorchValue ReadPickle(IReadableFile file, string path, TorchReadOptions? options = null)
    {
        using var source = new PickleSource(file, path, 0, file.Length);
        var context = new PickleContext(source, options ?? TorchReadOptions.Default, new TensorTable(file.Length));
        TorchValue root = new PickleMachine(source, context).Run();
        return source.Remaining == 0 ? root : throw source.Bad(TorchFault.StrayBytes, "bytes after the pickle belong to nothing", $"the end at {source.Position}", $"{source.Remaining} bytes more");
    }

    /// <summary>Lets go of the values, for a reader that has made its own of them: those of many objects take far more memory than the file. <see cref="Root"/> is <c>None</c> from here on.</summary>
    internal void ReleaseRoot() => _contents = _contents.WithoutRoot();

    /// <summary>Reads every record and compares it with its checksum. A file without them passes when all its bytes can be read.</summary>
    /// <exception cref="CorruptCheckpointException">A checksum is wrong.</exception>
    /// <exception cref="IOException">The file could not be read.</exception>
    public void Verify(CancellationToken cancellationToken = default) => _contents.Verify(_file, Path, cancellationToken);

    /// <summary>Reads every record of a file whose values are not read, and compares it with its checksum. A file without records is read to its end.</summary>
    /// <returns>Whether there were checksums.</returns>
    /// <exception cref="CorruptCheckpointException">A checksum is wrong, or the archive is bad.</exception>
    internal static bool VerifyRecords(IReadableFile file, string path, CancellationToken cancellationToken) => TorchContents.VerifyRecords(file, path, cancellationToken);

    /// <summary>A file of PyTorch that is a value of a pickle. It must hold one storage.</summary>
    internal static TorchValue ReadNested(byte[] bytes, PickleContext outer)
    {
        TorchContents contents = TorchContents.Read(new MemoryFile(bytes), outer.Path, outer.Options, isNested: true);
        return contents.BareStorage ?? throw outer.Wrong("a file of PyTorch within the pickle does not hold a storage", "a storage", contents.Root);
    }

    /// <summary>Closes the file. Its tensors cannot be read any more.</summary>
    public void Dispose() => _file.Dispose();
}
