using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.InternLm;
using Cairn.Policies;
using Cairn.State;

namespace Cairn.Tests.Formats.Fuzz;

/// <summary>Good files to be changed.</summary>
internal static class Seeds
{
    private static readonly string Folder = Path.Combine(Path.GetDirectoryName(AttackTests.Folder())!, "tests", "Cairn.Tests", "Formats", "Torch", "seeds");

    /// <summary>Files that PyTorch wrote.</summary>
    public static byte[][] Torch(string pattern, params string[] except) =>
        [.. Directory.GetFiles(Folder, pattern).Where(file => !except.Any(word => Path.GetFileName(file).Contains($".{word}.", StringComparison.Ordinal))).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];

    /// <summary>The pickle and the storages of an archive of PyTorch.</summary>
    public static (byte[] Pickle, (string Key, byte[] Bytes)[] Storages) Unpack(byte[] archive)
    {
        using var zip = new ZipArchive(new MemoryStream(archive));
        byte[] pickle = [];
        var storages = new List<(string, byte[])>();
        foreach (ZipArchiveEntry entry in zip.Entries)
        {
            using var bytes = new MemoryStream();
            using (Stream stream = entry.Open())
                stream.CopyTo(bytes);
            string name = entry.FullName[(entry.FullName.IndexOf('/', StringComparison.Ordinal) + 1)..];
            if (name == "data.pkl")
                pickle = bytes.ToArray();
            else if (name.StartsWith("data/", StringComparison.Ordinal))
                storages.Add((name[5..], bytes.ToArray()));
        }
        return (pickle, [.. storages]);
    }

    /// <summary>What PyTorch 2.6 wrote from four ranks.</summary>
    public static byte[][] Distributed() =>
        [File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(AttackTests.Folder())!, "tests", "Cairn.Interop.Tests", "fixtures", "distributed", ".metadata"))];

    /// <summary>The files of a small checkpoint in InternLM's layout, with Cairn's index or as InternLM would leave it.</summary>
    public static Dictionary<string, byte[]> InternLm(bool withIndex)
    {
        StateMap model = [], state = [];
        foreach ((string name, long[] shape) in ((string, long[])[])[("tok_embeddings.word_embeddings.weight", [5, 4]), ("layers.0.norm.weight", [4]), ("layers.0.feed_forward.w1.weight", [6, 4])])
        {
            model.Add(name, TestTensors.Of(TensorType.F32, shape));
            state.Add(name, new StateMap { ["step"] = 7L, ["exp_avg"] = TestTensors.Of(TensorType.F32, shape), ["exp_avg_sq"] = TestTensors.Of(TensorType.F32, shape) });
        }
        var group = new StateMap { ["lr"] = 1e-3, ["initial_lr"] = 2e-3, ["betas"] = new StateList([0.9, 0.98]), ["eps"] = 1e-8, ["weight_decay"] = 0.01, ["params"] = new StateList(model.Keys.Select(name => (StateNode)name)) };
        (string, StateMap)[] parts =
        [
            ("model", model), ("optimizer", new StateMap { ["type"] = "AdamW", ["state"] = state, ["groups"] = new StateList([group]) }),
            ("scheduler", new StateMap { ["last_epoch"] = 7L }), ("sampler", new StateMap { ["position"] = 12L }),
            ("context", new StateMap { ["batch_count"] = 8L, ["step_count"] = 7L, ["values"] = new StateMap { ["model_config"] = new StateMap { ["hidden_size"] = 4L } } }),
        ];
        return InternLmLayout.Instance.Plan(7, parts).Where(file => withIndex || !file.Name.StartsWith("cairn", StringComparison.Ordinal))
            .ToDictionary(file => file.Name, file => TestTensors.Written(file.Content.WriteTo), StringComparer.Ordinal);
    }

    /// <summary>Indexes of models in several files.</summary>
    public static byte[][] ShardIndexes() =>
    [
        new ShardIndex(20, new Dictionary<string, string>(StringComparer.Ordinal) { ["a.weight"] = "model-00001-of-00002.safetensors", ["b"] = "model-00002-of-00002.safetensors" }).ToBytes(),
        """{"metadata": {"total_size": 1.5e3}, "weight_map": {"\u0061": "x"}}"""u8.ToArray(),
    ];

    /// <summary>Parts with tensors: maps of nothing else, with ties, and trees.</summary>
    public static byte[][] Safetensors()
    {
        MemoryTensor weight = TestTensors.Of(TensorType.F32, 4, 3);
        var flat = new StateMap { ["a.weight"] = weight, ["b.weight"] = weight, ["scale"] = TestTensors.Of(TensorType.BF16), ["none"] = TestTensors.Of(TensorType.I64, 0, 2) };
        var tree = new StateMap { ["state"] = new StateMap { ["0"] = new StateMap { ["exp_avg"] = weight, ["step"] = 3L } }, ["lr"] = 0.1, ["names"] = new StateList(["x", StateScalar.Null, true]) };
        return [Bytes("model", flat), Bytes("optimizer", tree)];
    }

    /// <summary>A part without tensors.</summary>
    public static byte[][] Json() =>
        [Bytes("context", new StateMap { ["step"] = 500L, ["$x"] = double.NaN, ["list"] = new StateList([1L, 2.5, "ü", false]), ["map"] = new StateMap { ["deep"] = new StateMap() } })];

    /// <summary>Markers without the hash that they end with, which a change would break at once.</summary>
    public static byte[][] MarkerBodies()
    {
        var marker = new Marker
        {
            Step = 497,
            Kind = SaveKind.Checkpoint,
            Reason = SaveReason.Final,
            Run = "7f3a",
            Lineage = Lineage.New.Fork(250, "lr2"),
            Parent = 250,
            Time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
            Train = new StateMap { ["batch"] = 500L, ["loss"] = 0.25 },
            Files = [new MarkedFile("context.json", 12, ChunkHashes.Whole(UInt128.MaxValue)), new MarkedFile("model_tp0_pp0.safetensors", 4096, ChunkHashes.Of(2000, [0, 1, 2]))],
        };
        return [marker.ToBytes()[..^Seal([]).Length]];
    }

    /// <summary>How a marker of this body ends.</summary>
    public static byte[] Seal(ReadOnlySpan<byte> body) =>
        Encoding.ASCII.GetBytes($",\n  \"xxh3_128\": \"{Convert.ToHexStringLower(XxHash128.Hash(body))}\"\n}}\n");

    private static byte[] Bytes(string part, StateMap state) => TestTensors.Written(CairnLayout.Plan([(part, state)])[0].WriteTo);
}
