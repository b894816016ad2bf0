using Cairn.Conversion;
using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.Renaming;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Formats;
using Cairn.Tests.Manager;

namespace Cairn.Tests.Conversion;

/// <summary>What a conversion makes of a checkpoint.</summary>
public sealed class ConversionTests : ConversionFixture
{
    private static readonly RenamingParameters Heads = new RenamingParameters().With("heads", 4).With("kv_heads", 2);

    [Theory, InlineData("cairn", "out"), InlineData("internlm", "out"), InlineData("torch", "out.pt"), InlineData("dcp", "out")]
    public void NaN_infinity_and_both_zeros_among_the_values_are_what_they_were(string layout, string destination)
    {
        // The NaN of Python has another sign than that of .NET.
        StateMap values = new() { ["python"] = BitConverter.Int64BitsToDouble(0x7FF8_0000_0000_0000), ["net"] = double.NaN, ["most"] = double.PositiveInfinity, ["least"] = double.NegativeInfinity, ["zero"] = 0.0, ["negative"] = -0.0 };
        byte[] file = TorchBytes(new StateMap { ["model"] = Model(), ["metrics"] = values });
        File.WriteAllBytes(Folder["source.pt"], file);
        Convert(Folder["source.pt"], Folder[destination], new ConversionOptions { Layout = layout }).TensorsVerified.ShouldBePositive();
        using LoadedCheckpoint opened = CheckpointReader.Open(layout is "torch" or "dcp" ? Folder[destination] : Folder[destination + "/0"]);
        StateMap metrics = (StateMap)opened.Load("context")["metrics"];
        foreach ((string name, StateNode value) in values)
            ((StateScalar)metrics[name]).IsSame((StateScalar)value).ShouldBeTrue(name);
        ((StateScalar)metrics["zero"]).IsSame((StateScalar)metrics["negative"]).ShouldBeFalse();
    }

    [Theory]
    [InlineData("torch", "out.pt", false)]
    [InlineData("cairn", "out", true)]
    public void A_text_that_is_no_unicode_goes_along_as_well_as_the_layout_can_hold_it(string layout, string destination, bool inNumbers)
    {
        TorchFileWriter.Plan(new TorchMap { ["model"] = new TorchMap { ["w"] = new TorchTensorValue(TestTensors.Of(TensorType.F32, 3)) }, ["path"] = "caf\uDCE9", ["of"] = new TorchMap { ["n\uDCFF"] = 1 } }, "f")
            .SaveTo(Folder["in.pt"], TestContext.Current.CancellationToken);
        IReadOnlyList<string> notes = Convert(Folder["in.pt"], Folder[destination], new ConversionOptions { Layout = layout }).Notes;
        using LoadedCheckpoint converted = CheckpointReader.Open(Folder[destination]);
        StateMap context = converted.Load("context");
        ((StateScalar)context["path"]).Value.ShouldBe(inNumbers ? "caf\\uDCE9" : "caf\uDCE9");
        ((StateMap)context["of"]).Keys.ShouldBe([inNumbers ? "n\\uDCFF" : "n\uDCFF"]);
        notes.Count(note => note.Contains("what UTF-8 has no bytes for", StringComparison.Ordinal)).ShouldBe(inNumbers ? 1 : 0);
    }

    [Fact]
    public void NaN_is_no_difference_and_the_sign_of_zero_is_one()
    {
        StateMap one = new() { ["n"] = double.NaN, ["z"] = 0.0 }, two = new() { ["n"] = BitConverter.Int64BitsToDouble(0x7FF8_0000_0000_0000), ["z"] = -0.0 };
        Cairn.Inspection.StateComparison.Structure(one, two).Select(entry => entry.Change).ShouldBe([Cairn.Inspection.EntryChange.Same, Cairn.Inspection.EntryChange.Changed]);
    }

    [Theory, InlineData("dcp"), InlineData("dcp-safetensors")]
    public void A_model_of_Hugging_Face_goes_through_a_distributed_checkpoint_of_any_ranks(string layout)
    {
        Convert(Checkpoint(), Folder["model"], new ConversionOptions { Layout = "huggingface" });
        File.WriteAllText(Folder["model/config.json"], """{"tie_word_embeddings": false}""");
        Convert(Folder["model"], Folder["out"], new ConversionOptions { Layout = layout, Ranks = 5, Parts = ["model"] }).Files.Count.ShouldBe(6);
        File.Exists(Folder["out/config.json"]).ShouldBe(layout == "dcp-safetensors");
        Convert(Folder["out"], Folder["again"], new ConversionOptions { Layout = "huggingface" });
        using LoadedCheckpoint opened = CheckpointReader.Open(Folder["again"]);
        StateMap model = opened.Load("model");
        foreach ((string name, StateNode node) in Model())
            ((StateTensor)model[name]).Bytes().ShouldBe(((StateTensor)node).Bytes(), name);
    }

    private static byte[] TorchBytes(StateMap state)
    {
        using var stream = new MemoryStream();
        Cairn.Formats.Torch.TorchFileWriter.Plan(Cairn.Formats.Torch.TorchTree.FromState(state), "archive").WriteTo((bytes, _, _) => stream.Write(bytes));
        return stream.ToArray();
    }

    [Theory, InlineData("cairn", "out"), InlineData("internlm", "out"), InlineData("torch", "out.pt"), InlineData("huggingface", "out"), InlineData("dcp", "out")]
    public void The_model_is_the_same_in_every_layout_ties_included(string layout, string destination)
    {
        ConversionResult result = Convert(Checkpoint(), Folder[destination], new ConversionOptions { Layout = layout });
        result.TensorsVerified.ShouldBeGreaterThanOrEqualTo(3);
        ShouldHold(Folder[destination], "model", Model());
        Directory.EnumerateFileSystemEntries(Folder.Path, "*", SearchOption.AllDirectories).ShouldNotContain(path => path.EndsWith(".partial", StringComparison.Ordinal) || path.EndsWith("convert.json", StringComparison.Ordinal));
    }

    [Theory, InlineData("cairn"), InlineData("internlm")]
    public void Training_goes_on_from_what_was_converted(string layout)
    {
        Convert(Checkpoint(), Folder["out"], new ConversionOptions { Layout = layout });
        CatalogEntry entry = Catalog.Read(new LocalFileSystem(Folder["out"])).Entries.Single();
        (entry.Step, entry.Fault, entry.Marker!.Layout).ShouldBe((3, null, layout));
        RunRecord.Load(new LocalFileSystem(Folder["out"]))!.Origin!.Step.ShouldBe(3);
        var training = new SampleTraining();
        var part = new FixedPart("model", Model());
        CheckpointManager manager = CheckpointManager.Start(
            new LocalFileSystem(Folder["out"]), new CheckpointOptions { Folder = Folder["out"], CheckpointEvery = 3, Asynchronous = false }, training.Train, [part, new FixedPart("ema", [])], cancellationToken: TestContext.Current.CancellationToken);
        manager.Resume.Step.ShouldBe(3);
        part.Restored!.Count.ShouldBe(4);
        manager.Complete();
    }

    [Fact]
    public void Floats_of_the_model_are_cast_and_nothing_else()
    {
        Convert(Checkpoint(), Folder["out.pt"], new ConversionOptions { Layout = "torch", Type = TensorType.BF16 });
        using LoadedCheckpoint opened = CheckpointReader.Open(Folder["out.pt"]);
        StateMap model = opened.Load("model"), ema = opened.Load("ema");
        ((StateTensor)model["output.weight"]).Type.ShouldBe(TensorType.BF16);
        model["output.weight"].ShouldBeSameAs(model["tok_embeddings.weight"]);
        ((StateTensor)ema["shadow"]).Type.ShouldBe(TensorType.BF16);
        ((StateScalar)ema["decay"]).Value.ShouldBe(0.5);
        ((StateTensor)model["layers.0.attention_norm.weight"]).Bytes().ShouldBe(CastTensor.Of(TestTensors.Of(TensorType.F32, 8), TensorType.BF16).Bytes());
    }

    [Fact]
    public void Renamed_to_Llama_and_back_it_is_the_same_to_the_bit()
    {
        ConversionResult result = Convert(
            Checkpoint(), Folder["llama"], new ConversionOptions { Layout = "huggingface", Rules = RenamingRules.Load("internlm2-to-llama"), Parameters = Heads, MaxShardBytes = 300 });
        result.Notes.ShouldContain(note => note.Contains("no config.json"));
        File.Exists(Folder["llama/model.safetensors.index.json"]).ShouldBeTrue();
        File.WriteAllText(Folder["llama/config.json"], """{"num_attention_heads": 4, "num_key_value_heads": 2}""");
        Convert(Folder["llama"], Folder["back"], new ConversionOptions { Layout = "cairn", Rules = RenamingRules.Load("llama-to-internlm2"), Step = 9 });
        ShouldHold(Folder["back/9"], "model", Model());
    }

    [Fact]
    public void Weights_and_states_of_other_programs_stay_behind()
    {
        Convert(Checkpoint(), Folder["one"], new ConversionOptions { Layout = "huggingface", Parts = ["model"] });
        string[] left = ["consolidated.safetensors", "model.fp16-00001-of-00002.safetensors", "tf_model.h5", "training_args.bin"];
        foreach (string name in (string[])[.. left, "optimizer.pt", "config.json", "tokenizer.json"])
            File.WriteAllText(Folder[$"one/{name}"], "{}");
        ConversionResult result = Convert(Folder["one"], Folder["two"], new ConversionOptions { Layout = "huggingface" });
        Directory.GetFiles(Folder["two"]).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["config.json", "model.safetensors", "tokenizer.json"]);
        result.Notes.ShouldContain(note => note.StartsWith("left behind", StringComparison.Ordinal) && note.EndsWith(string.Join(", ", left), StringComparison.Ordinal));
        result.Notes.ShouldContain(note => note == "parts left out: optimizer");
    }

    [Fact]
    public void Configuration_and_tokenizer_go_along_from_one_model_folder_to_another()
    {
        Convert(Checkpoint(), Folder["one"], new ConversionOptions { Layout = "huggingface", Parts = ["model"] });
        File.WriteAllText(Folder["one/config.json"], "{}");
        File.WriteAllText(Folder["one/tokenizer.model"], "words");
        Convert(Folder["one"], Folder["two"], new ConversionOptions { Layout = "huggingface", Type = TensorType.F16 });
        Directory.GetFiles(Folder["two"]).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["config.json", "model.safetensors", "tokenizer.model"]);
        File.ReadAllText(Folder["two/tokenizer.model"]).ShouldBe("words");
    }

    [Fact]
    public void The_configuration_follows_the_names_and_the_type_of_the_weights()
    {
        string source = Checkpoint();
        Convert(source, Folder["one"], new ConversionOptions { Layout = "huggingface" });
        File.WriteAllText(Folder["one/config.json"], """{"model_type": "internlm2", "auto_map": {"AutoModel": "x"}, "bias": false, "num_attention_heads": 4, "num_key_value_heads": 2, "torch_dtype": "float32"}""");
        Convert(Folder["one"], Folder["two"], new ConversionOptions { Layout = "huggingface", Type = TensorType.BF16, Rules = RenamingRules.Load("internlm2-to-llama") });
        using var config = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(Folder["two/config.json"]));
        config.RootElement.GetProperty("model_type").GetString().ShouldBe("llama");
        config.RootElement.GetProperty("architectures")[0].GetString().ShouldBe("LlamaForCausalLM");
        config.RootElement.GetProperty("torch_dtype").GetString().ShouldBe("bfloat16");
        config.RootElement.GetProperty("num_key_value_heads").GetInt32().ShouldBe(2);
        (config.RootElement.TryGetProperty("auto_map", out _) || config.RootElement.TryGetProperty("bias", out _)).ShouldBeFalse();
        File.WriteAllText(Folder["one/config.json"], "[1]");
        Should.Throw<CorruptCheckpointException>(() => Convert(Folder["one"], Folder["three"], new ConversionOptions { Layout = "huggingface", Type = TensorType.F16 }));
        Directory.Exists(Folder["three"]).ShouldBeFalse();
    }

    [Fact]
    public void Options_that_do_not_fit_are_told_before_anything_is_written()
    {
        string source = Checkpoint();
        void Refused(ConversionOptions options, string destination, string word)
        {
            Should.Throw<CheckpointException>(() => Convert(source, Folder[destination], options)).Message.ShouldContain(word);
            Path.Exists(Folder[destination]).ShouldBeFalse();
        }
        // Other tests may have made layouts known, which stand between these.
        Refused(new ConversionOptions { Layout = "zip" }, "x", "cairn, internlm, ");
        Refused(new ConversionOptions { Layout = "zip" }, "x", "huggingface, torch");
        Refused(new ConversionOptions { Layout = "torch" }, "x", ".pt");
        Refused(new ConversionOptions { Layout = "cairn", Parts = ["models"] }, "x", "no part 'models'");
        Refused(new ConversionOptions { Layout = "huggingface", Parts = ["model", "ema"] }, "x", "one part");
        Refused(new ConversionOptions { Layout = "cairn", Parts = ["ema"], Rules = RenamingRules.Load("internlm2-to-llama") }, "x", "not among");
        Refused(new ConversionOptions { Layout = "huggingface", Rules = RenamingRules.Load("internlm2-to-llama") }, "x", "heads=");
    }

    [Fact]
    public void A_disk_that_lies_is_found_when_the_tensors_are_read_back()
    {
        string source = Checkpoint();
        using LoadedCheckpoint opened = CheckpointReader.Open(source);
        var files = new LyingFileSystem(Folder["out"]);
        Should.Throw<ConversionMismatchException>(() => CheckpointConversion.Plan(opened, files, "", new ConversionOptions { Layout = "cairn" }).Run(cancellationToken: TestContext.Current.CancellationToken)).Message.ShouldContain("model/");
        Catalog.Read(new LocalFileSystem(Folder["out"])).Entries[0].Marker.ShouldBeNull();
    }

    [Fact]
    public void Progress_ends_at_the_total_in_each_phase()
    {
        var last = new Dictionary<ConversionPhase, ConversionProgress>();
        Convert(Checkpoint(), Folder["out"], new ConversionOptions { Layout = "cairn" }, progress => last[progress.Phase] = progress);
        last[ConversionPhase.Writing].BytesDone.ShouldBe(last[ConversionPhase.Writing].BytesTotal);
        last[ConversionPhase.Verifying].BytesDone.ShouldBe(last[ConversionPhase.Verifying].BytesTotal);
    }

    [Fact]
    public void Values_that_become_another_type_are_named()
    {
        var root = new TorchMap { ["model"] = new TorchMap { ["w"] = new TorchTensorValue(TestTensors.Of(TensorType.F32, 2)) }, ["ids"] = new TorchList(TorchListKind.Set, [1L]), ["key"] = new TorchScalar(new byte[] { 1, 2 }), ["plain"] = new TorchList(TorchListKind.List, [1L]) };
        File.WriteAllBytes(Folder["odd.pt"], TestTensors.Written(TorchFileWriter.Plan(root, "archive").WriteTo));
        Convert(Folder["odd.pt"], Folder["odd"], new ConversionOptions { Layout = "cairn" }).Notes.ShouldContain(note => note == "kept as another type: ids (a set, as a list), key (bytes, as a tensor of them)");
    }

    // Flips the last bit of every file of weights that it writes.
    private sealed class LyingFileSystem(string root) : ForwardingFileSystem(new LocalFileSystem(root))
    {
        public override bool CanExchange => false;

        public override IWritableFile OpenWrite(string path, long length) => path.Contains("model_tp0", StringComparison.Ordinal) ? new Lying(Inner.OpenWrite(path, length), length) : Inner.OpenWrite(path, length);

        private sealed class Lying(IWritableFile file, long length) : IWritableFile
        {
            public void Write(long offset, ReadOnlySpan<byte> block)
            {
                byte[] copy = block.ToArray();
                if (offset + copy.Length == length)
                    copy[^1] ^= 1;
                file.Write(offset, copy);
            }

            public void Sync() => file.Sync();
            public void Dispose() => file.Dispose();
        }
    }
}
