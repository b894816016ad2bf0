using System.Globalization;
using System.Text;
using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Cairn.Tests.Formats.Torch;

namespace Cairn.Tests.Formats.Fuzz;

/// <summary>Folders of other programs, of which one file at a time is changed, and the others stay good.</summary>
public partial class FuzzTests
{
    // Whatever is in the file, what .NET makes of a few patterns takes a MiB, and the windows through which a joined tensor is read some more.
    private const int Windows = 1 << 18;

    private static readonly string Fixture = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(AttackTests.Folder())!, "tests", "Cairn.Interop.Tests", "fixtures", "distributed");

    [Fact]
    public void Ranks_of_megatron()
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach ((int tensor, int stage) in (ReadOnlySpan<(int, int)>)[(0, 0), (0, 1), (1, 0), (1, 1)])
        {
            files.Add(string.Create(CultureInfo.InvariantCulture, $"iter_0000500/mp_rank_{tensor:00}_{stage:000}/model_optim_rng.pt"), Torch(new TorchMap
            {
                ["args"] = new TorchMap { ["tensor_model_parallel_size"] = 2L, ["pipeline_model_parallel_size"] = 2L }, ["checkpoint_version"] = 3.0, ["iteration"] = 500L,
                ["model"] = new TorchMap
                {
                    ["decoder.layers.0.self_attention.linear_qkv.weight"] = Floats(6, 4), ["decoder.layers.0.mlp.linear_fc1.weight"] = Floats(6, 4), ["decoder.layers.0.mlp.linear_fc2.weight"] = Floats(4, 3),
                    ["decoder.layers.0.input_layernorm.weight"] = Floats(4), ["decoder.layers.0.odd"] = Floats(2),
                },
                ["optimizer"] = new TorchMap { ["state"] = new TorchMap() }, ["rng_state"] = new TorchList(TorchListKind.List, [1L]),
            }));
        }
        ChangeEach(files, "iter_0000500", "model_optim_rng.pt");
    }

    [Fact]
    public void Ranks_of_deepspeed()
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        var patterns = new TorchMap { ["tp_replicated_parameter_patterns"] = Texts(".*norm.*"), ["parameter_with_row_parallelism_patterns"] = Texts(@".*down\.weight"), ["parameter_with_2_sub_params_cat_dim_0"] = Texts(".*up.*") };
        foreach (int rank in (int[])[0, 1])
        {
            files.Add($"global_step5/mp_rank_0{rank}_model_states.pt", Torch(new TorchMap
            {
                ["module"] = new TorchMap { ["up.weight"] = Floats(4, 3), ["down.weight"] = Floats(3, 2), ["norm.weight"] = Floats(3) }, ["mp_world_size"] = 2L, ["universal_checkpoint_info"] = patterns,
                ["param_shapes"] = new TorchList(TorchListKind.List, [new TorchMap { ["up.weight"] = Sizes(4, 3), ["down.weight"] = Sizes(3, 2), ["norm.weight"] = Sizes(3) }]), ["optimizer"] = TorchScalar.None,
            }));
            files.Add($"global_step5/zero_pp_rank_0_mp_rank_0{rank}_optim_states.pt", Torch(new TorchMap
            {
                ["optimizer_state_dict"] = new TorchMap
                {
                    ["partition_count"] = 1L, ["single_partition_of_fp32_groups"] = new TorchList(TorchListKind.List, [Floats(21)]),
                    ["base_optimizer_state"] = new TorchMap { ["state"] = new TorchMap { ["0"] = new TorchMap { ["exp_avg"] = Floats(21), ["step"] = 3L } }, ["param_groups"] = new TorchList(TorchListKind.List, [new TorchMap { ["lr"] = 0.1 }]) },
                },
            }));
        }
        ChangeEach(files, "global_step5", ".pt");
    }

    [Fact]
    public void Experts_of_deepspeed()
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal) { ["step/mp_rank_00_model_states.pt"] = Torch(new TorchMap { ["module"] = new TorchMap { ["gate.weight"] = Floats(2, 3) }, ["num_experts"] = new TorchList(TorchListKind.List, [2L]) }) };
        foreach (int expert in (int[])[0, 1])
            files.Add($"step/layer_0_expert_{expert}_mp_rank_00_model_states.pt", Torch(new TorchMap { [$"experts.{expert}.weight"] = Floats(3, 3) }));
        ChangeEach(files, "step", ".pt");
    }

    [Fact]
    public void Universal_checkpoints()
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal)
        {
            ["step/mp_rank_00_model_states.pt"] = Torch(new TorchMap { ["module"] = new TorchMap { ["a.weight"] = Floats(2, 3), ["a.buffer"] = Floats(2) }, ["global_steps"] = 5L }),
            ["step/zero/optimizer_state.pt"] = Torch(new TorchMap { ["param_groups"] = new TorchList(TorchListKind.List, [new TorchMap { ["lr"] = 0.1 }]) }),
        };
        foreach (string field in (string[])["fp32", "exp_avg"])
            files.Add($"step/zero/a.weight/{field}.pt", Torch(new TorchMap { ["param"] = Floats(2, 3), ["cat_dim"] = 0L }));
        ChangeEach(files, "step", ".pt");
    }

    [Fact]
    public void Steps_of_xtuner()
    {
        Dictionary<string, byte[]> files = Directory.GetFiles(Fixture).ToDictionary(file => $"ckpt-step-5/weights/{System.IO.Path.GetFileName(file)}", File.ReadAllBytes, StringComparer.Ordinal);
        files.Add("ckpt-step-5/lr_scheduler", Torch(new TorchMap { ["last_epoch"] = 5L }));
        files.Add("ckpt-step-5/dataloader", Torch(new TorchMap { ["sampler"] = new TorchMap { ["step"] = 1L } }));
        files.Add("ckpt-step-5/train_state.json", """{"cur_step": 5, "cur_epoch": 0, "train_time_offset": 1.5}"""u8.ToArray());
        ChangeEach(files, "ckpt-step-5", "lr_scheduler", "dataloader", ".json", ".metadata");
    }

    [Fact]
    public void Distributed_checkpoints_of_megatron()
    {
        Dictionary<string, byte[]> files = Directory.GetFiles(Fixture).ToDictionary(file => $"iter_0000005/{System.IO.Path.GetFileName(file)}", File.ReadAllBytes, StringComparer.Ordinal);
        files.Add("iter_0000005/common.pt", Torch(new TorchMap { ["iteration"] = 5L, ["rng_state"] = 1L, ["optimizer"] = new TorchMap { ["optimizer"] = new TorchMap { ["param_groups"] = new TorchList(TorchListKind.List, [new TorchMap { ["lr"] = 0.1 }]) } } }));
        files.Add("iter_0000005/metadata.json", Encoding.UTF8.GetBytes("""{"sharded_backend": "torch_dist", "sharded_backend_version": 1}"""));
        ChangeEach(files, "iter_0000005", "common.pt", "metadata.json");
    }

    private void ChangeEach(Dictionary<string, byte[]> folder, string path, params string[] ends)
    {
        var files = new FilesInMemory();
        foreach ((string name, byte[] bytes) in folder)
            files.Files[name] = bytes;
        string[] changed = [.. folder.Keys.Where(name => ends.Any(end => name.EndsWith(end, StringComparison.Ordinal)))];
        int all = folder.Values.Sum(bytes => bytes.Length);
        foreach (string name in changed)
        {
            bool isText = name.EndsWith(".json", StringComparison.Ordinal), isPickle = name.EndsWith(".metadata", StringComparison.Ordinal);
            (byte[] pickle, (string Key, byte[] Bytes)[] storages) = isText || isPickle ? (folder[name], []) : Seeds.Unpack(folder[name]);
            Run([pickle], bytes =>
            {
                files.Files[name] = isText || isPickle ? bytes : Pickles.Archive(bytes, storages);
                return OpenFolder(files, path);
            }, all + Windows, changed.Length, mayBeUnmoved: name.EndsWith("metadata.json", StringComparison.Ordinal));
            files.Files[name] = folder[name];
        }
    }

    private static LoadedCheckpoint OpenFolder(FilesInMemory files, string path)
    {
        LoadedCheckpoint? opened = null;
        try
        {
            opened = CheckpointReader.Open(files, path);
            foreach (string part in opened.Parts)
            {
                IReadOnlyList<int> ranks = opened.RanksOf(part);
                foreach (int rank in ranks)
                    Walk(opened.Load(part, rank));
                if (ranks.Count == 0)
                    Walk(opened.Load(part));
            }
            return opened;
        }
        catch (CheckpointException e) when (e is not CorruptCheckpointException)
        {
            // What cannot be told, and what is of no known kind any more.
            opened?.Dispose();
            throw new CorruptCheckpointException(e.Message, e);
        }
        catch
        {
            opened?.Dispose();
            throw;
        }
    }

    private static byte[] Torch(TorchMap root) => TestTensors.Written(TorchFileWriter.Plan(root, "archive").WriteTo);

    private static TorchTensorValue Floats(params long[] shape) => new(TestTensors.Of(TensorType.F32, shape));

    private static TorchList Texts(params string[] texts) => new(TorchListKind.List, texts.Select(text => (TorchValue)text));

    private static TorchList Sizes(params long[] sizes) => new(TorchListKind.List, sizes.Select(size => (TorchValue)size));
}
