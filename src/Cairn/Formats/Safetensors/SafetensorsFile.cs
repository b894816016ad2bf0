using System.Collections.ObjectModel;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Safetensors;

/// <summary>
/// A safetensors file open for reading. Its tensors read straight into the span that <see cref="StateTensor.CopyTo"/> is given,
/// from any thread, until the file is disposed.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly IReadableFile _file;
    private readonly OrderedDictionary<string, StateTensor> _tensors;

    private SafetensorsFile(IReadableFile file, string path, SafetensorsHeader header)
    {
        _file = file;
        Path = path;
        Header = header;
        _tensors = new(header.Tensors.Count, StringComparer.Ordinal);
        foreach (SafetensorsEntry entry in header.Tensors)
            _tensors.Add(entry.Name, new SafetensorsTensor(file, path, entry, header.DataOffset + entry.Begin));
        Tensors = new ReadOnlyDictionary<string, StateTensor>(_tensors);
    }

    /// <summary>The file's path, as in messages.</summary>
    public string Path { get; }
    /// <summary>The verified header.</summary>
    public SafetensorsHeader Header { get; }
    /// <summary>The free texts of <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => Header.Metadata;
    /// <summary>The tensors by name, in the order of their bytes.</summary>
    public IReadOnlyDictionary<string, StateTensor> Tensors { get; }

    /// <summary>Opens a file and verifies its header.</summary>
    /// <exception cref="CorruptSafetensorsException">The file is bad.</exception>
    /// <exception cref="IOException">The file could not be opened or read.</exception>
    public static SafetensorsFile Open(IFileSource files, string path) => Open(files.OpenRead(path), path);

    /// <summary>Verifies the header of an open file, which from here on belongs to the result, or is disposed when this throws.</summary>
    /// <exception cref="CorruptSafetensorsException">The file is bad.</exception>
    /// <exception cref="IOException">The file could not be read.</exception>
    public static SafetensorsFile Open(IReadableFile file, string path)
    {
        try
        {
            return new SafetensorsFile(file, path, SafetensorsHeader.Read(file, path));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Maps a local file into memory; <see cref="StateTensor.TryGetSpan"/> of its tensors gives the bytes without a copy. No span may be
    /// used after the file is disposed, and nobody may cut the file while it is mapped: both end the process.
    /// </summary>
    /// <param name="filePath">A path of the operating system.</param>
    /// <exception cref="CorruptSafetensorsException">The file is bad.</exception>
    /// <exception cref="IOException">The file could not be opened or mapped.</exception>
    public static SafetensorsFile Map(string filePath) => Open(new MappedFile(filePath), filePath);

    /// <summary>Closes the file. Its tensors cannot be read any more.</summary>
    public void Dispose() => _file.Dispose();
}

/// <summary>A tensor whose bytes lie in a safetensors file.</summary>
internal sealed class SafetensorsTensor : StateTensor, IFileTensor
{
    private readonly IReadableFile _file;
    private readonly string _path;
    private readonly string _name;
    private readonly long _start;

    public SafetensorsTensor(IReadableFile file, string path, SafetensorsEntry entry, long start) : base(entry.Type, (long[])entry.Shape)
    {
        _file = file;
        _path = path;
        _name = entry.Name;
        _start = start;
    }

    public (IReadableFile File, long Offset)? Place => (_file, _start);

    public override void CopyTo(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        try
        {
            SafetensorsHeader.ReadExactly(_file, _path, _start + offset, destination, _name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"Reading tensor '{_name}' from '{_path}' failed: {e.Message} Check the store, then resume again.", e) { Path = _path };
        }
    }

    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        CheckRange(offset, length);
        if (_file is ISpanFile mapped)
            return mapped.TryGetSpan(_start + offset, length, out bytes);
        bytes = default;
        return false;
    }

    // The bytes before and after belong to other tensors.
    private void CheckRange(long offset, int length)
    {
        if (offset < 0 || length < 0 || offset > ByteLength - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes at {offset} do not lie within the {ByteLength} bytes of '{_name}'.");
    }
}
