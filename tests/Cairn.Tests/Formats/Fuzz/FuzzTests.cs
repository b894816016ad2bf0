using System.Diagnostics;
using System.Globalization;
using Cairn.Checkpoints;
using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.InternLm;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Formats.Torch;

namespace Cairn.Tests.Formats.Fuzz;

/// <summary>
/// Whatever the bytes, a reader gives a value or a <see cref="CorruptCheckpointException"/>, in memory bounded by the file. Each target tries as many
/// inputs as take about a second, or for <c>CAIRN_FUZZ_SECONDS</c>; <c>CAIRN_FUZZ_SEED</c> repeats a run that failed, or starts another.
/// </summary>
public partial class FuzzTests(ITestOutputHelper output)
{
    private const int BytesPerFileByte = 64;
    private const int MaxRead = 1 << 20;
    private const string Path = "fuzzed";

    // Fewer than these would say little of a mutator.
    private const int FewestInputs = 250;

    private static readonly int Inputs = RandomFaults.Count(some: 3000, all: 10_000);

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    [Fact]
    public void Pickles_of_pytorch()
    {
        // Around each changed pickle stands a good archive with the storages that it refers to.
        byte[][] archives = Seeds.Torch("*.pt", "legacy", "pickle");
        foreach ((byte[] pickle, (string Key, byte[] Bytes)[] storages) in archives.Select(Seeds.Unpack))
        {
            int around = Pickles.Archive(pickle, storages).Length - pickle.Length;
            Run([pickle], bytes => OpenTorch(Pickles.Archive(bytes, storages)), around, archives.Length);
        }
    }

    [Fact]
    public void Plain_pickles() => Run(Seeds.Torch("*.pickle.pt"), bytes =>
    {
        using IReadableFile file = new MemoryFile(bytes);
        TorchValue root = TorchFile.ReadPickle(file, Path, new TorchReadOptions { AllowOpaque = bytes.Length % 2 == 0 });
        Walk(root);
        _ = TorchTree.ToState(root, new List<UnreadValue>());
        return null;
    });

    [Fact]
    public void Archives_of_pytorch() => Run(Seeds.Torch("*.pt", "legacy", "pickle"), OpenTorch);

    [Fact]
    public void Older_files_of_pytorch() => Run(Seeds.Torch("*.legacy.pt"), OpenTorch);

    [Fact]
    public void Programs_of_torchscript() => Run(Seeds.Torch("*.torchscript"), OpenAsState);

    [Fact]
    public void Tensors_of_a_mesh() => Run(Seeds.Torch("*.dtensor"), OpenAsState);

    [Fact]
    public void Safetensors_files() => Run(Seeds.Safetensors(), bytes =>
    {
        SafetensorsFile file = SafetensorsFile.Open(new MemoryFile(bytes), Path);
        foreach (StateTensor tensor in file.Tensors.Values)
            Read(tensor);
        return file;
    });

    [Fact]
    public void Parts_in_safetensors() => Run(Seeds.Safetensors(), bytes => CairnLayout.Read(Files("model_tp0_pp0.safetensors", bytes), "", "model_tp0_pp0.safetensors"));

    [Fact]
    public void Parts_in_json() => Run(Seeds.Json(), bytes => CairnLayout.Read(Files("context.json", bytes), "", "context.json"));

    [Fact]
    public void Markers() => Run(Seeds.MarkerBodies(), bytes =>
    {
        Marker.Parse(bytes.Concat(Seeds.Seal(bytes)).ToArray(), Path);
        return null;
    });

    [Fact]
    public void Metadata_of_distributed_checkpoints() => Run(Seeds.Distributed(), bytes =>
    {
        using IReadableFile file = new MemoryFile(bytes);
        var tree = new PathTree(Path);
        foreach (DistributedItem item in DistributedMetadataReader.Read(TorchFile.ReadPickle(file, Path), Path))
            tree.Add(item, item is DistributedTensor tensor ? DistributedCheckpoint.Merge(null!, tensor, Path) : StateScalar.Null);
        tree.ToState();
        return null;
    });

    [Fact]
    public void Indexes_of_sharded_models() => Run(Seeds.ShardIndexes(), bytes =>
    {
        ShardIndex.Parse(bytes, Path);
        return null;
    });

    [Theory, InlineData(true), InlineData(false)]
    public void Folders_of_internlm(bool withIndex)
    {
        Dictionary<string, byte[]> folder = Seeds.InternLm(withIndex);
        var files = new FilesInMemory();
        foreach ((string name, byte[] bytes) in folder)
            files.Files[name] = bytes;
        string[] read;
        using (LoadedCheckpoint opened = OpenInternLm(files, folder.Keys))
            // What the plan and the configuration say stands in other files too, and is taken from there.
            read = [.. opened.Parts.SelectMany(opened.FilesOf).Distinct(StringComparer.Ordinal).Where(name => !name.StartsWith("gpus", StringComparison.Ordinal) && name != "model_config.pt")];
        read.Length.ShouldBeGreaterThanOrEqualTo(6);
        // One file at a time is changed; the others stay good.
        foreach (string name in read)
        {
            (byte[] pickle, (string Key, byte[] Bytes)[] storages) = Seeds.Unpack(folder[name]);
            Run([pickle], bytes =>
            {
                files.Files[name] = Pickles.Archive(bytes, storages);
                return OpenInternLm(files, folder.Keys);
            }, folder.Values.Sum(bytes => bytes.Length), read.Length);
            files.Files[name] = folder[name];
        }
    }

    private static LoadedCheckpoint OpenInternLm(FilesInMemory files, IReadOnlyCollection<string> names)
    {
        LoadedCheckpoint opened = InternLmLayout.Instance.Open(files, "", names);
        try
        {
            foreach (StateNode node in opened.Parts.Select(part => opened.Load(part)))
                Walk(node);
            return opened;
        }
        catch (CheckpointException e) when (e is not CorruptCheckpointException)
        {
            // Good values of a kind that a state does not have.
            opened.Dispose();
            throw new CorruptCheckpointException(e.Message, e);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    private static void Walk(StateNode node)
    {
        foreach (StateNode child in node switch { StateMap map => map.Values, StateList list => list, _ => (IEnumerable<StateNode>)[] })
            Walk(child);
        if (node is StateTensor tensor)
            Read(tensor);
    }

    private static FilesInMemory Files(string name, byte[] bytes)
    {
        var files = new FilesInMemory();
        files.Files[name] = bytes;
        return files;
    }

    private static TorchFile OpenTorch(byte[] bytes) => OpenTorch(bytes, allowOpaque: bytes.Length % 2 == 0);

    private static TorchFile OpenTorch(byte[] bytes, bool allowOpaque)
    {
        TorchFile file = TorchFile.Open(new MemoryFile(bytes), Path, new TorchReadOptions { AllowOpaque = allowOpaque });
        Walk(file.Root);
        foreach (TorchStorage storage in file.Storages.Values)
            Read(storage.Bytes);
        return file;
    }

    // As the rest of Cairn opens it: what is not plain is named.
    private static TorchFile OpenAsState(byte[] bytes)
    {
        TorchFile file = OpenTorch(bytes, allowOpaque: true);
        _ = TorchTree.ToState(file.Root, new List<UnreadValue>());
        return file;
    }

    // The walk of a naive consumer: it ends because the reader bounds what a walk can meet.
    private static void Walk(TorchValue value)
    {
        switch (value)
        {
            case TorchList list:
                foreach (TorchValue item in list)
                    Walk(item);
                break;
            case TorchMap map:
                foreach ((TorchValue key, TorchValue item) in map)
                {
                    Walk(key);
                    Walk(item);
                }
                break;
            case TorchObject instance:
                Walk(instance.Arguments);
                if (instance.State is TorchValue state)
                    Walk(state);
                break;
            case TorchTensorValue tensor:
                Read(tensor.Data);
                break;
        }
    }

    [ThreadStatic]
    private static byte[]? _block;

    private static void Read(StateTensor tensor)
    {
        _block ??= new byte[MaxRead];
        int length = (int)Math.Min(4096, tensor.ByteLength);
        tensor.CopyTo(0, _block.AsSpan(0, length));
        tensor.CopyTo(tensor.ByteLength - length, _block.AsSpan(0, length));
    }

    private void Run(IReadOnlyList<byte[]> seeds, Func<byte[], IDisposable?> read, int overhead = 0, int shares = 1, bool mayBeUnmoved = false)
    {
        int seed = Setting("CAIRN_FUZZ_SEED", 20251);
        double time = (double)Setting("CAIRN_FUZZ_SECONDS", 0) / shares;
        foreach (byte[] good in seeds)
            read(good)?.Dispose();
        var mutator = new Mutator(seed, seeds);
        long start = Stopwatch.GetTimestamp();
        int tried = 0, refused = 0;
        for (; tried < Math.Max(Inputs / shares, FewestInputs) || Stopwatch.GetElapsedTime(start).TotalSeconds < time; tried++)
        {
            byte[] bytes = mutator.Next();
            long before = GC.GetAllocatedBytesForCurrentThread(), began = Stopwatch.GetTimestamp();
            Exception? wrong = null;
            try
            {
                read(bytes)?.Dispose();
            }
            catch (CorruptCheckpointException)
            {
                refused++;
            }
            catch (Exception e)
            {
                wrong = e;
            }
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            double took = Stopwatch.GetElapsedTime(began).TotalSeconds;
            // The machine may have been busy with something else: what is slow is slow each time.
            for (int again = 0; took >= 5 && again < 5; again++)
                took = Math.Min(took, TimeOf(() => read(bytes)?.Dispose()));
            if (wrong is null && allocated <= ((long)bytes.Length + overhead) * BytesPerFileByte + (1 << 20) && took < 5)
                continue;
            string kept = System.IO.Path.GetTempFileName();
            File.WriteAllBytes(kept, bytes);
            throw new InvalidOperationException($"Input {tried} of seed {seed} ({bytes.Length} bytes, kept in {kept}) took {took:F1} s and {allocated} bytes and ended in {wrong?.GetType().Name ?? "nothing wrong"}: {wrong}");
        }
        output.WriteLine($"Seed {seed}: {tried} inputs in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s, {refused} refused.");
        tried.ShouldBeGreaterThan(10);
        // A mutator that breaks nothing, or everything, tests little.
        if (!mayBeUnmoved)
            refused.ShouldBeGreaterThan(0);
        refused.ShouldBeLessThan(tried);
    }

    private static double TimeOf(Action action)
    {
        long began = Stopwatch.GetTimestamp();
        _ = Record.Exception(action);
        return Stopwatch.GetElapsedTime(began).TotalSeconds;
    }
}
