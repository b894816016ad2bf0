using System.Text;
using System.Text.Json;
using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.HuggingFace;

public sealed class HuggingFaceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static StateMap Model() => new()
    {
        ["model.embed_tokens.weight"] = TestTensors.Of(TensorType.F32, 10, 4),
        ["model.layers.0.mlp.up_proj.weight"] = TestTensors.Of(TensorType.F32, 20, 4),
        ["model.norm.weight"] = TestTensors.Of(TensorType.BF16, 4),
        ["lm_head.weight"] = TestTensors.Of(TensorType.F16, 10, 4),
    };

    private void Write(IEnumerable<PlannedFile> files)
    {
        foreach (PlannedFile file in files)
            File.WriteAllBytes(_folder[file.Name], TestTensors.Written(file.WriteTo));
    }

    private LoadedCheckpoint Open() => HuggingFaceLayout.Open(new LocalFileSystem(_folder.Path), "");

    private HuggingFaceFault FaultOnOpening() => Should.Throw<CorruptHuggingFaceException>(() => Open()).Fault;

    private void Index(string weightMap) => File.WriteAllText(_folder[ModelFiles.SafetensorsIndex], "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {" + weightMap + "}}");

    private void Shard(string name, params string[] tensors) =>
        File.WriteAllBytes(_folder[name], TestTensors.Written(SafetensorsWriter.Plan(tensors.Select(t => KeyValuePair.Create<string, StateTensor>(t, TestTensors.Of(TensorType.U8, 3)))).WriteTo));

    [Fact]
    public void A_small_model_is_one_file_that_says_it_is_of_PyTorch()
    {
        Write(HuggingFaceLayout.Plan(Model()));
        Directory.GetFiles(_folder.Path).Select(Path.GetFileName).ShouldBe(["model.safetensors"]);
        using SafetensorsFile file = SafetensorsFile.Map(_folder["model.safetensors"]);
        file.Metadata.ShouldBe(new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" });
    }

    [Theory, InlineData(100), InlineData(200), InlineData(330), InlineData(1_000_000)]
    public void What_was_written_in_shards_of_any_size_is_read_back_equal(long maxShardBytes)
    {
        StateMap model = Model();
        Write(HuggingFaceLayout.Plan(model, maxShardBytes));
        using LoadedCheckpoint loaded = Open();
        loaded.Parts.ShouldBe(["model"]);
        StateMap state = loaded.Load("model");
        state.Keys.ShouldBe(model.Keys, ignoreOrder: true);
        foreach ((string name, StateNode node) in model)
            ((StateTensor)state[name]).Bytes().ShouldBe(((StateTensor)node).Bytes());
    }

    [Fact]
    public void Shards_are_filled_greedily_in_order_and_a_large_tensor_has_its_own_before_the_one_being_filled()
    {
        IReadOnlyList<PlannedFile> files = HuggingFaceLayout.Plan(new StateMap
        {
            ["a"] = TestTensors.Of(TensorType.U8, 40),
            ["large"] = TestTensors.Of(TensorType.U8, 101),
            ["b"] = TestTensors.Of(TensorType.U8, 60),
            ["c"] = TestTensors.Of(TensorType.U8, 1),
        }, maxShardBytes: 100);
        files.Select(file => (file.Name, string.Join(',', file.Tensors.Select(t => t.Name)))).ShouldBe(
        [
            ("model-00001-of-00003.safetensors", "large"), ("model-00002-of-00003.safetensors", "a,b"), ("model-00003-of-00003.safetensors", "c"),
            ("model.safetensors.index.json", ""),
        ]);
    }

    [Fact]
    public void The_index_has_the_form_that_transformers_writes()
    {
        PlannedFile index = HuggingFaceLayout.Plan(new StateMap { ["b"] = TestTensors.Of(TensorType.F32, 2), ["a"] = TestTensors.Of(TensorType.F32, 3) }, 8)[^1];
        Encoding.UTF8.GetString(TestTensors.Written(index.WriteTo)).ShouldBe("""
            {
              "metadata": {
                "total_size": 20
              },
              "weight_map": {
                "a": "model-00001-of-00002.safetensors",
                "b": "model-00002-of-00002.safetensors"
              }
            }

            """.ReplaceLineEndings("\n"));
    }

    [Theory, InlineData(50), InlineData(5_000)]
    public void Tied_tensors_are_written_once_and_tied_again(long maxShardBytes)
    {
        StateMap model = Model();
        model["lm_head.weight"] = model["model.embed_tokens.weight"];
        IReadOnlyList<PlannedFile> files = HuggingFaceLayout.Plan(model, maxShardBytes);
        files.SelectMany(file => file.Tensors).ShouldNotContain(t => t.Name == "lm_head.weight");
        Write(files);
        using LoadedCheckpoint loaded = Open();
        StateMap state = loaded.Load("model");
        state["lm_head.weight"].ShouldBeSameAs(state["model.embed_tokens.weight"]);
    }

    [Theory, InlineData("true", true), InlineData("false", false)]
    public void A_head_that_transformers_left_out_is_tied_when_the_configuration_says_so(string said, bool tied)
    {
        Shard("model.safetensors", "model.embed_tokens.weight");
        File.WriteAllText(_folder["config.json"], $$"""{"tie_word_embeddings": {{said}}}""");
        using LoadedCheckpoint loaded = Open();
        loaded.Load("model").ContainsKey("lm_head.weight").ShouldBe(tied);
        loaded.OtherFiles.ShouldBe(["config.json"]);
    }

    [Fact]
    public void An_index_that_lies_is_told_by_its_fault()
    {
        Shard("model-00001-of-00002.safetensors", "a");
        FaultOnOpening().ShouldBe(HuggingFaceFault.IndexMissing);
        Index("""
            "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"
            """);
        FaultOnOpening().ShouldBe(HuggingFaceFault.MissingShard);
        Shard("model-00002-of-00002.safetensors", "c");
        FaultOnOpening().ShouldBe(HuggingFaceFault.MissingTensor);
        Shard("model-00002-of-00002.safetensors", "b", "a");
        FaultOnOpening().ShouldBe(HuggingFaceFault.ExtraTensor);
        Index("""
            "a": "model-00002-of-00002.safetensors", "b": "model-00001-of-00002.safetensors"
            """);
        Shard("model-00002-of-00002.safetensors", "b");
        FaultOnOpening().ShouldBe(HuggingFaceFault.TensorElsewhere);
    }

    [Fact]
    public void A_tensor_that_the_index_does_not_name_is_read_and_noted()
    {
        Index("""
            "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"
            """);
        Shard("model-00001-of-00002.safetensors", "a", "inv_freq");
        Shard("model-00002-of-00002.safetensors", "b");
        using (LoadedCheckpoint loaded = Open())
        {
            loaded.Load("model").Keys.ShouldBe(["a", "b", "inv_freq"], ignoreOrder: true);
            loaded.Notes.ShouldHaveSingleItem().ShouldContain("inv_freq");
            loaded.Disagreements.ShouldBe(loaded.Notes);
        }
        // Which of two it is, nobody can tell.
        Shard("model-00002-of-00002.safetensors", "b", "inv_freq");
        FaultOnOpening().ShouldBe(HuggingFaceFault.ExtraTensor);
    }

    [Theory]
    [InlineData(".safetensors", "model")]
    [InlineData(".bin", "pytorch_model")]
    public void All_shards_are_a_model_without_an_index_and_some_are_not(string ending, string stem)
    {
        string Name(int number) => $"{stem}-0000{number}-of-00003{ending}";
        foreach (int number in (int[])[1, 3])
            WriteShard(Name(number), $"t{number}");
        FaultOnOpening().ShouldBe(HuggingFaceFault.IndexMissing);
        WriteShard(Name(2), "t2");
        using (LoadedCheckpoint loaded = Open())
        {
            loaded.Load("model").Keys.ShouldBe(["t1", "t2", "t3"]);
            loaded.FilesOf("model").ShouldBe([Name(1), Name(2), Name(3)]);
            loaded.Notes.ShouldHaveSingleItem().ShouldContain("no index");
            loaded.Disagreements.ShouldBe(loaded.Notes);
        }
        WriteShard(Name(3), "t1");
        FaultOnOpening().ShouldBe(HuggingFaceFault.ExtraTensor);
    }

    private void WriteShard(string name, string tensor)
    {
        if (name.EndsWith(".safetensors", StringComparison.Ordinal))
            Shard(name, tensor);
        else
            File.WriteAllBytes(_folder[name], TestTensors.Written(TorchFileWriter.Plan(new TorchMap { [tensor] = new TorchTensorValue(TestTensors.Of(TensorType.U8, 3)) }, "archive").WriteTo));
    }

    [Fact]
    public void Weights_that_are_left_over_are_named_and_not_read()
    {
        Index("""
            "a": "model-00001-of-00001.safetensors"
            """);
        Shard("model-00001-of-00001.safetensors", "a");
        using (LoadedCheckpoint loaded = Open())
            loaded.Notes.ShouldBeEmpty();
        Shard("model.safetensors", "z");
        using (LoadedCheckpoint loaded = Open())
        {
            loaded.Load("model").Keys.ShouldBe(["z"]);
            loaded.Notes.ShouldHaveSingleItem().ShouldBe("model.safetensors is read, as transformers does; not read: model-00001-of-00001.safetensors, model.safetensors.index.json");
            loaded.Disagreements.ShouldBe(loaded.Notes);
        }
    }

    [Theory]
    [InlineData("../secret"), InlineData("/etc/passwd"), InlineData(".."), InlineData("."), InlineData(""), InlineData("a/b"), InlineData("a\\u0000b")]
    public void An_index_that_leads_elsewhere_is_refused(string file)
    {
        Index($"\"a\": \"{file}\"");
        FaultOnOpening().ShouldBe(HuggingFaceFault.UnsafePath);
    }

    [Theory]
    [InlineData("", HuggingFaceFault.IndexNotJson), InlineData("[", HuggingFaceFault.IndexNotJson), InlineData("[]", HuggingFaceFault.IndexMalformed)]
    [InlineData("{}", HuggingFaceFault.IndexMalformed), InlineData("{\"weight_map\": 1}", HuggingFaceFault.IndexMalformed)]
    [InlineData("{\"weight_map\": {\"a\": 1}}", HuggingFaceFault.IndexMalformed), InlineData("{\"weight_map\": {\"a\": \"x\", \"a\": \"y\"}}", HuggingFaceFault.IndexMalformed)]
    [InlineData("{\"weight_map\": {\"\\ud800\": \"x\"}}", HuggingFaceFault.IndexNotJson)]
    internal void An_index_that_is_none_is_told_by_its_fault(string json, HuggingFaceFault fault) =>
        Should.Throw<CorruptHuggingFaceException>(() => ShardIndex.Parse(Encoding.UTF8.GetBytes(json), "i")).Fault.ShouldBe(fault);

    [Fact]
    public void An_index_that_names_no_tensor_is_none() =>
        Should.Throw<CorruptHuggingFaceException>(() => ShardIndex.Parse("""{"weight_map": {}}"""u8.ToArray(), "i")).Message.ShouldContain("names no tensor");

    [Fact]
    public void A_wrong_total_size_is_no_fault_and_a_float_is_read()
    {
        ShardIndex.Parse("""{"metadata": {"total_size": 12.0}, "weight_map": {"w": "f"}}"""u8.ToArray(), "i").TotalSize.ShouldBe(12);
        ShardIndex.Parse("""{"weight_map": {"w": "f"}}"""u8.ToArray(), "i").TotalSize.ShouldBeNull();
    }

    [Fact]
    public void A_part_that_is_no_flat_map_of_tensors_is_refused() =>
        Should.Throw<ArgumentException>(() => HuggingFaceLayout.Plan(new StateMap { ["step"] = 3L })).Message.ShouldContain("'step'");

    [Fact]
    public void The_index_is_JSON_whatever_the_names_are()
    {
        var index = new ShardIndex(7, new Dictionary<string, string>(StringComparer.Ordinal) { ["ü\"\\\n"] = "f" });
        ShardIndex.Parse(index.ToBytes(), "i").FileOfTensor.ShouldBe(index.FileOfTensor);
        JsonDocument.Parse(index.ToBytes()).Dispose();
    }
}
