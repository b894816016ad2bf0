using Cairn.Formats.Torch;
using Cairn.Stores;

namespace Cairn.Layouts.InternLm;

/// <summary>Opens files of a folder of InternLM's, each once. Objects of InternLM's own classes are kept as data that nobody calls.</summary>
internal sealed class InternLmFiles(IFileSource store, string folder) : IDisposable
{
    // Param groups hold an enum of InternLM's, configurations are dicts of a class of its own, FSDP's weights are sharded tensors.
    private static readonly TorchReadOptions Options = new() { AllowOpaque = true };

    private readonly FilePool _pool = new(store);
    private readonly Dictionary<string, TorchFile> _open = new(StringComparer.Ordinal);

    /// <summary>The folder, for errors.</summary>
    public string Folder => folder.Length == 0 ? store.Root : folder;

    /// <summary>A file.</summary>
    /// <exception cref="CorruptCheckpointException">It is bad.</exception>
    /// <exception cref="IOException">It could not be opened or read.</exception>
    public TorchFile Open(InternLmFileName name)
    {
        string file = name.ToString();
        if (!_open.TryGetValue(file, out TorchFile? opened))
        {
            string path = StorePath.Join(folder, file);
            _open.Add(file, opened = TorchFile.Open(_pool.Open(path), path, Options));
        }
        return opened;
    }

    /// <summary>A file whose value is a dict.</summary>
    /// <inheritdoc cref="Open"/>
    public TorchMap OpenMap(InternLmFileName name) =>
        Open(name).Root as TorchMap ?? throw RankTensors.Bad(Folder, $"{name} holds no dict");

    public void Dispose()
    {
        foreach (TorchFile file in _open.Values)
            file.Dispose();
        _pool.Dispose();
    }
}
