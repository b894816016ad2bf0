using System.Globalization;
using Cairn.Formats.Torch.Pickle;
using Cairn.Formats.Torch.Zip;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Torch;

/// <summary>
/// The zip format: a folder of any name with <c>data.pkl</c>, <c>version</c>, mostly <c>byteorder</c>, and each storage as <c>data/</c>key.
/// Source: <c>_save</c> in <c>torch/serialization.py</c> and <c>caffe2/serialize/inline_container.cc</c>.
/// </summary>
internal sealed class TorchZipReader
{
    // kMaxSupportedFileFormatVersion of PyTorch.
    private const int NewestVersion = 10;
    private const int MaxSmallRecord = 64;

    private readonly IReadableFile _file;
    private readonly FileReader _reader;
    private readonly ZipDirectory _archive;
    private readonly string _folder;

    private TorchZipReader(IReadableFile file, string path)
    {
        _file = file;
        _reader = new FileReader(file, path);
        _archive = ZipDirectory.Read(_reader);
        _folder = Folder();
    }

    public static TorchContents Read(IReadableFile file, string path, TorchReadOptions options, bool isNested)
    {
        var zip = new TorchZipReader(file, path);
        zip.CheckKind(allowProgram: options.AllowOpaque);
        return zip.ReadPickle(options, isNested);
    }

    /// <summary>The one folder that all records lie in.</summary>
    private string Folder()
    {
        string? folder = null;
        foreach (ZipRecord record in _archive.Records)
        {
            int slash = record.Name.IndexOf('/', StringComparison.Ordinal);
            string own = slash < 0 ? "" : record.Name[..(slash + 1)];
            if (slash < 0 || (folder is not null && own != folder))
                throw Bad(TorchFault.NotTorch, "the archive is not one folder", folder is null ? "records in a folder" : $"all records in '{CorruptTorchFileException.Shorten(folder)}'", $"'{CorruptTorchFileException.Shorten(record.Name)}'");
            folder = own;
        }
        return folder ?? throw Bad(TorchFault.MissingRecord, "the archive is empty", "data.pkl and version", "no records");
    }

    private void CheckKind(bool allowProgram)
    {
        // Of a program the tensors can be read; its code is not looked at.
        if (!allowProgram && (Find("constants.pkl") is not null || _archive.Records.Any(record => IsCode(record.Name))))
            throw Program(_reader.Path);
        string version = SmallText("version") ?? SmallText(".data/version") ?? throw Bad(TorchFault.MissingRecord, "the record 'version' is missing", "version", "none");
        if (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number is < 1 or > NewestVersion)
            throw Bad(TorchFault.Version, "the version of the format is not known", $"1 to {NewestVersion}", $"'{version}'");
        string order = SmallText("byteorder") ?? "little";
        if (order == "big")
            throw new CorruptTorchFileException(TorchFault.BigEndian, _reader.Path, "it was saved on a big-endian machine, whose files are not read", "little", order, "Load it with PyTorch on a little-endian machine and save it again.");
        if (order != "little")
            throw Bad(TorchFault.BigEndian, "the byte order is not known", "little or big", $"'{order}'");
    }

    /// <summary>Whether a record is part of a TorchScript program.</summary>
    public static bool IsCode(string name) => name.IndexOf('/', StringComparison.Ordinal) is >= 0 and int slash && name.AsSpan(slash + 1).StartsWith("code/", StringComparison.Ordinal);

    public static CorruptTorchFileException Program(string path) =>
        new(TorchFault.TorchScript, path, "it is a TorchScript program (torch.jit.save), whose code is not read", "values that were saved with torch.save", "code", "Load it with torch.jit.load and save its state_dict() with torch.save.");

    private TorchContents ReadPickle(TorchReadOptions options, bool isNested)
    {
        ZipRecord pickle = Find("data.pkl") ?? throw Bad(TorchFault.MissingRecord, "the record 'data.pkl' is missing", "data.pkl", "none");
        Check(pickle);
        var storages = new StorageResolver(Open);
        using var source = new PickleSource(_file, _reader.Path, pickle.Start, pickle.Start + pickle.Length);
        PickleContext context = null!;
        context = new PickleContext(source, options, new TensorTable(_file.Length)) { IsNested = isNested, PersistentLoad = id => storages.Load(context, id) };
        var machine = new PickleMachine(source, context);
        TorchValue root = machine.Run();
        if (source.Remaining > 0)
            throw Bad(TorchFault.StrayBytes, "bytes after the pickle belong to nothing", $"the end at {source.Position}", $"{source.Remaining} bytes more");
        return new TorchContents { Root = root, BareStorage = machine.BareStorage, Storages = storages.Storages, Archive = _archive };
    }

    private StorageTensor Open(PickleContext context, string key, TensorType type, long count)
    {
        string name = $"data/{key}";
        ZipRecord record = Find(name) ?? throw Bad(TorchFault.MissingRecord, $"the record of storage '{CorruptTorchFileException.Shorten(key)}' is missing", $"'{CorruptTorchFileException.Shorten(name)}'", "none");
        long length = count * (type.BitsPerElement() / 8);
        return record.Length == length ? new StorageTensor(_file, _reader.Path, key, type, count) { Start = record.Start }
            : throw Bad(TorchFault.StorageSize, $"the record of storage '{CorruptTorchFileException.Shorten(key)}' has another size than the storage", $"{length} bytes", $"{record.Length} bytes");
    }

    private ZipRecord? Find(string name) => _archive.Find(_folder + name);

    private string? SmallText(string name)
    {
        if (Find(name) is not ZipRecord record)
            return null;
        if (record.Length > MaxSmallRecord)
            throw Bad(TorchFault.Version, $"the record '{name}' is too long", $"at most {MaxSmallRecord} bytes", $"{record.Length}");
        Check(record);
        Span<byte> text = stackalloc byte[MaxSmallRecord];
        text = text[..(int)record.Length];
        _reader.Read(record.Start, text);
        return System.Text.Encoding.UTF8.GetString(text).TrimEnd('\n');
    }

    private void Check(ZipRecord record)
    {
        if (_archive.HasChecksums)
            TorchContents.Check(_reader, record);
    }

    private CorruptTorchFileException Bad(TorchFault fault, string what, string expected, string found) => new(fault, _reader.Path, what, expected, found);
}
