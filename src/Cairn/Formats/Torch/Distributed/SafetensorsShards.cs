using System.Globalization;
using Cairn.Formats.Safetensors;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>
/// A distributed checkpoint in safetensors that is open for reading: files <see cref="ShardFileName"/>, whose metadata says which part of which tensor each holds (<see cref="ShardingInfo"/>). The parts are
/// merged into whole tensors that read only the bytes that they are asked for, from any thread, until it is disposed.
/// </summary>
internal sealed class SafetensorsShards : IDisposable
{
    private const int MostNamed = 4;

    private readonly List<SafetensorsFile> _open = [];
    private readonly string _folder;

    private SafetensorsShards(string folder, string[] files) => (_folder, Files) = (folder, files);

    /// <summary>The files' names.</summary>
    public IReadOnlyList<string> Files { get; }
    /// <summary>The tensors, whole, in the order in which the files have them.</summary>
    public OrderedDictionary<string, StateTensor> Tensors { get; } = new(StringComparer.Ordinal);
    /// <summary>How many files there must be, where they say it; else <see langword="null"/>, and missing files at the end are not noticed when each tensor could be as short.</summary>
    public int? FilesSaid { get; private set; }
    /// <summary>Numbers of ranks before the last of which there is no file. Such a rank had nothing to write, or its file is missing.</summary>
    public IReadOnlyList<int> Absent { get; private set; } = [];

    /// <summary>Whether names are those of such a checkpoint.</summary>
    public static bool AreIn(IEnumerable<string> names) => names.Any(name => ShardFileName.Parse(name) is not null);

    /// <summary>Opens a checkpoint: reads the headers of all files, and looks whether every element of every tensor has exactly one owner.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The folder; empty for the root.</param>
    /// <param name="names">The names of its files.</param>
    /// <exception cref="CorruptDistributedCheckpointException">It is not what it should be, or files are missing.</exception>
    /// <exception cref="CorruptCheckpointException">A file is bad.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    public static SafetensorsShards Open(IFileSource files, string folder, IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(files);
        var shards = new SafetensorsShards(folder.Length == 0 ? files.Root : folder, [.. names.Where(name => ShardFileName.Parse(name) is not null).Order(StringComparer.Ordinal)]);
        try
        {
            shards.CheckNames();
            foreach (string name in shards.Files)
                shards._open.Add(SafetensorsFile.Open(files, StorePath.Join(folder, name)));
            shards.CheckCount();
            shards.Merge();
            return shards;
        }
        catch
        {
            shards.Dispose();
            throw;
        }
    }

    /// <summary>Closes the files. The tensors cannot be read any more.</summary>
    public void Dispose()
    {
        foreach (SafetensorsFile file in _open)
            file.Dispose();
        _open.Clear();
    }

    private void CheckNames()
    {
        ShardFileName[] forms = [.. Files.Select(name => ShardFileName.Parse(name)!)];
        int count = forms[0].Count;
        if (forms.FirstOrDefault(form => form.Count != count || form.Number < 1 || form.Number > count || form.Shard < 1) is { } other)
            throw new CorruptDistributedCheckpointException(DistributedFault.MetadataMalformed, _folder, "the names of its files contradict each other", $"numbers from 1 to {count}", other.ToString());
        int[] numbers = [.. Enumerable.Range(1, count).Except(forms.Select(form => form.Number)).Take(MostNamed)];
        if (numbers.Length > 0)
            throw Missing($"files are missing: no rank has model-{numbers[0]:00000}-of-{count:00000}", $"{count} files of each rank, or of some", $"none of number {Text(numbers)}");
        int last = forms.Max(form => form.Shard);
        // Whoever names a file of rank 999,999,999 gets no list of the others.
        Absent = last > 2 * forms.Length + MostNamed ? [] : [.. Enumerable.Range(1, last).Except(forms.Select(form => form.Shard))];
    }

    private void CheckCount()
    {
        foreach (SafetensorsFile file in _open)
        {
            if (!file.Metadata.TryGetValue(ShardingInfo.FilesKey, out string? text))
                continue;
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int said) || said < 1 || (FilesSaid ?? said) != said)
                throw new CorruptDistributedCheckpointException(DistributedFault.MetadataMalformed, file.Path, $"{ShardingInfo.FilesKey} is malformed, or another file says another number", FilesSaid?.ToString(CultureInfo.InvariantCulture) ?? "a number", text);
            FilesSaid = said;
        }
        if (FilesSaid is { } files && files != Files.Count)
        {
            int[] numbers = [.. Enumerable.Range(1, (int)Math.Min(files, (long)Files.Count + MostNamed)).Except(Files.Select(name => ShardFileName.Parse(name)!.Shard)).Take(MostNamed)];
            throw Missing(files > Files.Count ? "files are missing" : "there are more files than were written together", $"{files} files", $"{Files.Count}{(files > Files.Count && numbers.Length > 0 ? $", without those of the ranks {Text(numbers)}" : "")}");
        }
    }

    private void Merge()
    {
        var parts = new OrderedDictionary<string, List<(long[] Offset, StateTensor Part, SafetensorsFile File)>>(StringComparer.Ordinal);
        var said = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        foreach (SafetensorsFile file in _open)
        {
            IReadOnlyDictionary<string, long[]> offsets = ShardingInfo.Read(file)
                ?? throw new CorruptDistributedCheckpointException(DistributedFault.NoStorage, file.Path, $"it does not say which parts it holds: its metadata has no {ShardingInfo.Key}", ShardingInfo.Key, string.Join(", ", file.Metadata.Keys.Take(MostNamed)));
            foreach ((string name, StateTensor tensor) in file.Tensors)
            {
                if (!offsets.TryGetValue(name, out long[]? offset))
                    throw new CorruptDistributedCheckpointException(DistributedFault.NoStorage, file.Path, $"{ShardingInfo.Key} does not say which part this is", "its saved_offsets", "none", name);
                if (offset.Length != tensor.Shape.Count)
                    throw new CorruptDistributedCheckpointException(DistributedFault.MetadataMalformed, file.Path, $"{ShardingInfo.Key} has another number of dimensions than the tensor", $"{tensor.Shape.Count}", $"{offset.Length}", name);
                if (!parts.TryGetValue(name, out List<(long[], StateTensor, SafetensorsFile)>? list))
                    parts.Add(name, list = []);
                list.Add((offset, tensor, file));
            }
            foreach (string name in offsets.Keys)
                said.TryAdd(name, file);
        }
        foreach ((string name, SafetensorsFile file) in said)
        {
            if (!parts.ContainsKey(name))
                throw new CorruptDistributedCheckpointException(DistributedFault.MissingFile, file.Path, $"{ShardingInfo.Key} names it, and no file holds it", "a part of it", "none", name);
        }
        foreach ((string name, List<(long[] Offset, StateTensor Part, SafetensorsFile File)> list) in parts)
            Tensors.Add(name, Whole(name, list));
    }

    // The shape of the whole is where its parts end.
    private StateTensor Whole(string name, List<(long[] Offset, StateTensor Part, SafetensorsFile File)> parts)
    {
        StateTensor first = parts[0].Part;
        SafetensorsFile at = parts[0].File;
        try
        {
            long[] shape = [.. first.Shape];
            foreach ((long[] offset, StateTensor part, SafetensorsFile file) in parts)
            {
                at = file;
                if (part.Type != first.Type || part.Shape.Count != shape.Length)
                    throw new CorruptDistributedCheckpointException(DistributedFault.ContentMismatch, file.Path, "its parts are of different types or dimensions", first.ToString(), part.ToString(), name);
                for (int i = 0; i < shape.Length; i++)
                    shape[i] = Math.Max(shape[i], checked(offset[i] + part.Shape[i]));
            }
            ShardTensor[] held = [.. parts.Where(part => part.Part.ByteLength > 0).Select(part => new ShardTensor(part.Part, ShardExtent.OfBox(shape, part.Offset, [.. part.Part.Shape])))];
            if (held.DistinctBy(shard => shard.Extent).Count() != held.Length)
                throw Cover(name, shape, "a part that is there twice", null);
            return held.Length > 0 ? StateTensor.Join(name, held) : first.Type.ByteLength(shape) == 0 ? new MemoryTensor(first.Type, shape, default) : throw Cover(name, shape, "none", null);
        }
        catch (OverflowException e)
        {
            throw new CorruptDistributedCheckpointException(DistributedFault.ChunkCover, at.Path, $"{ShardingInfo.Key} puts it where no tensor reaches", "offsets within 2^63 elements", "larger ones", name, e);
        }
        catch (Exception e) when (e is ArgumentException or ShardOwnershipException)
        {
            throw Cover(name, null, e.Message.TrimEnd('.'), e);
        }
    }

    private CorruptDistributedCheckpointException Cover(string name, long[]? shape, string found, Exception? cause) => new(
        DistributedFault.ChunkCover, _folder, Absent.Count > 0 ? $"its parts do not make it up; there is no file of the ranks {Text([.. Absent.Take(MostNamed)])}" : "its parts do not make it up",
        $"parts that hold each element{(shape is null ? "" : $" of [{string.Join(", ", shape)}]")} once", found, name, cause);

    private CorruptDistributedCheckpointException Missing(string what, string expected, string found) => new(DistributedFault.MissingFile, _folder, what, expected, found);

    private static string Text(int[] numbers) => string.Join(", ", numbers.Select(number => number.ToString(CultureInfo.InvariantCulture)));
}
