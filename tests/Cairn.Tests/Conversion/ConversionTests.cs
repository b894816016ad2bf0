using Cairn.Conversion;
using Cairn.Layouts;
using Cairn.Layouts.Renaming;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Formats;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Conversion;

public sealed class ConversionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static StateMap Model()
    {
        StateMap model = new()
        {
            ["tok_embeddings.weight"] = TestTensors.Of(TensorType.F32, 10, 8),
            ["layers.0.attention.wqkv.weight"] = TestTensors.Of(TensorType.F32, 16, 8),
            ["layers.0.attention_norm.weight"] = TestTensors.Of(TensorType.F32, 8),
        };
        model["output.weight"] = model["tok_embeddings.weight"];
        return model;
    }

    private static readonly RenamingParameters Heads = new RenamingParameters().With("heads", 4).With("kv_heads", 2);

    // A checkpoint of a run, with a part beside the model.
    private string Checkpoint(StateMap? model = null)
    {
        var training = new SampleTraining();
        StateMap part = model ?? Model();
        CheckpointManager manager = CheckpointManager.Start(
            new LocalFileSystem(_folder["run"]), new CheckpointOptions { Folder = _folder["run"], CheckpointEvery = 3, Asynchronous = false }, training.Train, [new FixedPart("model", part), new FixedPart("ema", new StateMap { ["shadow"] = TestTensors.Of(TensorType.F64, 3), ["decay"] = 0.5 })]);
        for (int i = 0; i < 3; i++)
        {
            training.Batch();
            manager.AfterBatch();
        }
        manager.Complete();
        return _folder["run/3"];
    }

    private static ConversionResult Convert(string source, string destination, ConversionOptions options, Action<ConversionProgress>? progress = null, CancellationTokenSource? cancel = null)
    {
        using LoadedCheckpoint opened = CheckpointReader.Open(source);
        return CheckpointConversion.Plan(opened, destination, options).Run(progress, cancel?.Token ?? TestContext.Current.CancellationToken);
    }

    private static void ShouldHold(string path, string part, StateMap expected)
    {
        using LoadedCheckpoint opened = CheckpointReader.Open(path);
        new ReadBackComparison((_, _) => { }, default).Compare(part, expected, opened.Load(part));
    }

    [Theory, InlineData("cairn", "out"), InlineData("internlm", "out"), InlineData("torch", "out.pt")]
    public void NaN_infinity_and_both_zeros_among_the_values_are_what_they_were(string layout, string destination)
    {
        // The NaN of Python has another sign than that of .NET.
        StateMap values = new() { ["python"] = BitConverter.Int64BitsToDouble(0x7FF8_0000_0000_0000), ["net"] = double.NaN, ["most"] = double.PositiveInfinity, ["least"] = double.NegativeInfinity, ["zero"] = 0.0, ["negative"] = -0.0 };
        byte[] file = TorchBytes(new StateMap { ["model"] = Model(), ["metrics"] = values });
        File.WriteAllBytes(_folder["source.pt"], file);
        Convert(_folder["source.pt"], _folder[destination], new ConversionOptions { Layout = layout }).TensorsVerified.ShouldBePositive();
        using LoadedCheckpoint opened = CheckpointReader.Open(layout == "torch" ? _folder[destination] : _folder[destination + "/0"]);
        StateMap metrics = (StateMap)opened.Load("context")["metrics"];
        foreach ((string name, StateNode value) in values)
            ((StateScalar)metrics[name]).IsSame((StateScalar)value).ShouldBeTrue(name);
        ((StateScalar)metrics["zero"]).IsSame((StateScalar)metrics["negative"]).ShouldBeFalse();
    }

    [Fact]
    public void NaN_is_no_difference_and_the_sign_of_zero_is_one()
    {
        StateMap one = new() { ["n"] = double.NaN, ["z"] = 0.0 }, two = new() { ["n"] = BitConverter.Int64BitsToDouble(0x7FF8_0000_0000_0000), ["z"] = -0.0 };
        Cairn.Inspection.StateComparison.Structure(one, two).Select(entry => entry.Change).ShouldBe([Cairn.Inspection.EntryChange.Same, Cairn.Inspection.EntryChange.Changed]);
    }

    private static byte[] TorchBytes(StateMap state)
    {
        using var stream = new MemoryStream();
        Cairn.Formats.Torch.TorchFileWriter.Plan(Cairn.Formats.Torch.TorchTree.FromState(state), "archive").WriteTo((bytes, _, _) => stream.Write(bytes));
        return stream.ToArray();
    }

    [Theory, InlineData("cairn", "out"), InlineData("internlm", "out"), InlineData("torch", "out.pt"), InlineData("huggingface", "out")]
    public void The_model_is_the_same_in_every_layout_ties_included(string layout, string destination)
    {
        ConversionResult result = Convert(Checkpoint(), _folder[destination], new ConversionOptions { Layout = layout });
        result.TensorsVerified.ShouldBeGreaterThanOrEqualTo(3);
        ShouldHold(_folder[destination], "model", Model());
        Directory.EnumerateFileSystemEntries(_folder.Path, "*", SearchOption.AllDirectories).ShouldNotContain(path => path.EndsWith(".partial", StringComparison.Ordinal) || path.EndsWith("convert.json", StringComparison.Ordinal));
    }

    [Theory, InlineData("cairn"), InlineData("internlm")]
    public void Training_goes_on_from_what_was_converted(string layout)
    {
        Convert(Checkpoint(), _folder["out"], new ConversionOptions { Layout = layout });
        CatalogEntry entry = Catalog.Read(new LocalFileSystem(_folder["out"])).Entries.Single();
        (entry.Step, entry.Fault, entry.Marker!.Layout).ShouldBe((3, null, layout));
        RunRecord.Load(new LocalFileSystem(_folder["out"]))!.Origin!.Step.ShouldBe(3);
        var training = new SampleTraining();
        var part = new FixedPart("model", Model());
        CheckpointManager manager = CheckpointManager.Start(
            new LocalFileSystem(_folder["out"]), new CheckpointOptions { Folder = _folder["out"], CheckpointEvery = 3, Asynchronous = false }, training.Train, [part, new FixedPart("ema", [])], cancellationToken: TestContext.Current.CancellationToken);
        manager.Resume.Step.ShouldBe(3);
        part.Restored!.Count.ShouldBe(4);
        manager.Complete();
    }

    [Fact]
    public void Floats_of_the_model_are_cast_and_nothing_else()
    {
        Convert(Checkpoint(), _folder["out.pt"], new ConversionOptions { Layout = "torch", Type = TensorType.BF16 });
        using LoadedCheckpoint opened = CheckpointReader.Open(_folder["out.pt"]);
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
            Checkpoint(), _folder["llama"], new ConversionOptions { Layout = "huggingface", Rules = RenamingRules.Load("internlm2-to-llama"), Parameters = Heads, MaxShardBytes = 300 });
        result.Notes.ShouldContain(note => note.Contains("no config.json"));
        File.Exists(_folder["llama/model.safetensors.index.json"]).ShouldBeTrue();
        File.WriteAllText(_folder["llama/config.json"], """{"num_attention_heads": 4, "num_key_value_heads": 2}""");
        Convert(_folder["llama"], _folder["back"], new ConversionOptions { Layout = "cairn", Rules = RenamingRules.Load("llama-to-internlm2"), Step = 9 });
        ShouldHold(_folder["back/9"], "model", Model());
    }

    [Fact]
    public void Weights_and_states_of_other_programs_stay_behind()
    {
        Convert(Checkpoint(), _folder["one"], new ConversionOptions { Layout = "huggingface", Parts = ["model"] });
        string[] left = ["consolidated.safetensors", "model.fp16-00001-of-00002.safetensors", "optimizer.pt", "tf_model.h5", "training_args.bin"];
        foreach (string name in (string[])[.. left, "config.json", "tokenizer.json"])
            File.WriteAllText(_folder[$"one/{name}"], "{}");
        ConversionResult result = Convert(_folder["one"], _folder["two"], new ConversionOptions { Layout = "huggingface" });
        Directory.GetFiles(_folder["two"]).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["config.json", "model.safetensors", "tokenizer.json"]);
        result.Notes.ShouldContain(note => note.StartsWith("left behind", StringComparison.Ordinal) && note.EndsWith(string.Join(", ", left), StringComparison.Ordinal));
    }

    [Fact]
    public void Configuration_and_tokenizer_go_along_from_one_model_folder_to_another()
    {
        Convert(Checkpoint(), _folder["one"], new ConversionOptions { Layout = "huggingface", Parts = ["model"] });
        File.WriteAllText(_folder["one/config.json"], "{}");
        File.WriteAllText(_folder["one/tokenizer.model"], "words");
        Convert(_folder["one"], _folder["two"], new ConversionOptions { Layout = "huggingface", Type = TensorType.F16 });
        Directory.GetFiles(_folder["two"]).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["config.json", "model.safetensors", "tokenizer.model"]);
        File.ReadAllText(_folder["two/tokenizer.model"]).ShouldBe("words");
    }

    [Fact]
    public void The_configuration_follows_the_names_and_the_type_of_the_weights()
    {
        string source = Checkpoint();
        Convert(source, _folder["one"], new ConversionOptions { Layout = "huggingface" });
        File.WriteAllText(_folder["one/config.json"], """{"model_type": "internlm2", "auto_map": {"AutoModel": "x"}, "bias": false, "num_attention_heads": 4, "num_key_value_heads": 2, "torch_dtype": "float32"}""");
        Convert(_folder["one"], _folder["two"], new ConversionOptions { Layout = "huggingface", Type = TensorType.BF16, Rules = RenamingRules.Load("internlm2-to-llama") });
        using var config = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(_folder["two/config.json"]));
        config.RootElement.GetProperty("model_type").GetString().ShouldBe("llama");
        config.RootElement.GetProperty("architectures")[0].GetString().ShouldBe("LlamaForCausalLM");
        config.RootElement.GetProperty("torch_dtype").GetString().ShouldBe("bfloat16");
        config.RootElement.GetProperty("num_key_value_heads").GetInt32().ShouldBe(2);
        (config.RootElement.TryGetProperty("auto_map", out _) || config.RootElement.TryGetProperty("bias", out _)).ShouldBeFalse();
        File.WriteAllText(_folder["one/config.json"], "[1]");
        Should.Throw<CorruptCheckpointException>(() => Convert(_folder["one"], _folder["three"], new ConversionOptions { Layout = "huggingface", Type = TensorType.F16 }));
        Directory.Exists(_folder["three"]).ShouldBeFalse();
    }

    [Fact]
    public void An_interrupted_conversion_goes_on_and_writes_no_complete_file_again()
    {
        string source = Checkpoint();
        var options = new ConversionOptions { Layout = "huggingface", MaxShardBytes = 330 };
        using var cancel = new CancellationTokenSource();
        Should.Throw<OperationCanceledException>(() => Convert(source, _folder["out"], options, progress =>
        {
            if (progress.Item.StartsWith("model-00002", StringComparison.Ordinal))
                cancel.Cancel();
        }, cancel));
        string first = _folder["out/model-00001-of-00003.safetensors"];
        Directory.GetFiles(_folder["out"], "model-*.safetensors").ShouldBe([first]);
        DateTime written = File.GetLastWriteTimeUtc(first);
        ConversionResult result = Convert(source, _folder["out"], options);
        result.BytesKept.ShouldBe(new FileInfo(first).Length);
        File.GetLastWriteTimeUtc(first).ShouldBe(written);
        ShouldHold(_folder["out"], "model", Model());
    }

    [Fact]
    public void A_file_of_an_interrupted_conversion_that_was_altered_is_written_again()
    {
        string source = Checkpoint();
        var options = new ConversionOptions { Layout = "cairn" };
        using var cancel = new CancellationTokenSource();
        Should.Throw<OperationCanceledException>(() => Convert(source, _folder["out"], options, progress =>
        {
            if (progress.Phase == ConversionPhase.Verifying)
                cancel.Cancel();
        }, cancel));
        Catalog.Read(new LocalFileSystem(_folder["out"])).Entries[0].Marker.ShouldBeNull();
        string file = _folder["out/3/model_tp0_pp0.safetensors"];
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        Convert(source, _folder["out"], options).BytesKept.ShouldBeGreaterThan(0);
        ShouldHold(_folder["out/3"], "model", Model());
    }

    [Theory, InlineData("cairn", "out"), InlineData("internlm", "out"), InlineData("torch", "out.pt"), InlineData("huggingface", "out")]
    public void What_stands_at_the_destination_is_replaced_only_when_asked(string layout, string destination)
    {
        string source = Checkpoint();
        Convert(source, _folder[destination], new ConversionOptions { Layout = layout });
        Should.Throw<CheckpointException>(() => Convert(source, _folder[destination], new ConversionOptions { Layout = layout, Type = TensorType.F16 })).Message.ShouldContain("already");
        ShouldHold(_folder[destination], "model", Model());
        Convert(source, _folder[destination], new ConversionOptions { Layout = layout, Type = TensorType.F16, Overwrite = true });
        using LoadedCheckpoint opened = CheckpointReader.Open(_folder[destination]);
        ((StateTensor)opened.Load("model")["output.weight"]).Type.ShouldBe(TensorType.F16);
    }

    [Fact]
    public void Shards_of_an_overwritten_model_do_not_stay()
    {
        string source = Checkpoint();
        Convert(source, _folder["out"], new ConversionOptions { Layout = "huggingface", MaxShardBytes = 300 });
        File.WriteAllText(_folder["out/README.md"], "mine");
        Convert(source, _folder["out"], new ConversionOptions { Layout = "huggingface", Overwrite = true });
        Directory.GetFiles(_folder["out"]).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["README.md", "model.safetensors"]);
    }

    [Fact]
    public void A_checkpoint_is_not_converted_into_itself()
    {
        string source = Checkpoint();
        Should.Throw<CheckpointException>(() => Convert(source, _folder["run"], new ConversionOptions { Layout = "cairn", Overwrite = true })).Message.ShouldContain("into itself");
        Convert(source, _folder["one.pt"], new ConversionOptions { Layout = "torch" });
        Should.Throw<CheckpointException>(() => Convert(_folder["one.pt"], _folder["one.pt"], new ConversionOptions { Layout = "torch", Overwrite = true })).Message.ShouldContain("into itself");
        ShouldHold(source, "model", Model());
    }

    [Fact]
    public void A_checkpoint_is_not_converted_into_itself_through_a_link_nor_into_its_own_folder()
    {
        string source = Checkpoint();
        Directory.CreateSymbolicLink(_folder["link"], _folder["run"]);
        Should.Throw<CheckpointException>(() => Convert(source, _folder["link"], new ConversionOptions { Layout = "cairn", Overwrite = true })).Message.ShouldContain("into itself");
        Should.Throw<CheckpointException>(() => Convert(source, _folder["link/3/model"], new ConversionOptions { Layout = "huggingface" })).Message.ShouldContain("outside it");
        Should.Throw<CheckpointException>(() => Convert(source, _folder["link"], new ConversionOptions { Layout = "huggingface", Overwrite = true })).Message.ShouldContain("another destination");
        Convert(source, _folder["one.pt"], new ConversionOptions { Layout = "torch" });
        File.CreateSymbolicLink(_folder["other.pt"], _folder["one.pt"]);
        Should.Throw<CheckpointException>(() => Convert(_folder["one.pt"], _folder["other.pt"], new ConversionOptions { Layout = "torch", Overwrite = true })).Message.ShouldContain("into itself");
        ShouldHold(source, "model", Model());
    }

    [Theory, InlineData("cairn", "live"), InlineData("internlm", "live/snapshot"), InlineData("torch", "live/3/model.pt"), InlineData("huggingface", "link/export")]
    public void A_destination_in_a_run_that_a_process_writes_is_refused(string layout, string destination)
    {
        string source = Checkpoint();
        Convert(source, _folder["live"], new ConversionOptions { Layout = "cairn" });
        Directory.CreateSymbolicLink(_folder["link"], _folder["live"]);
        var options = new ConversionOptions { Layout = layout, Type = TensorType.F16, Overwrite = true };
        using (RunLock.Acquire(new LocalFileSystem(_folder["live"]), TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken))
        {
            Should.Throw<RunLockedException>(() => Convert(source, _folder[destination], options));
            ShouldHold(_folder["live/3"], "model", Model());
        }
        Convert(source, _folder[destination], options);
    }

    [Theory, InlineData("cairn", "out"), InlineData("internlm", "out"), InlineData("torch", "out.pt"), InlineData("huggingface", "out")]
    public void What_is_overwritten_stays_as_it_was_until_all_is_written_and_read_back(string layout, string destination)
    {
        string source = Checkpoint();
        Convert(source, _folder[destination], new ConversionOptions { Layout = layout });
        int looked = 0;
        using var cancel = new CancellationTokenSource();
        var options = new ConversionOptions { Layout = layout, Type = TensorType.F16, Overwrite = true };
        Should.Throw<OperationCanceledException>(() => Convert(source, _folder[destination], options, progress =>
        {
            ShouldHold(_folder[destination], "model", Model());
            looked++;
            if (progress.Phase == ConversionPhase.Verifying)
                cancel.Cancel();
        }, cancel));
        looked.ShouldBeGreaterThan(2);
        ShouldHold(_folder[destination], "model", Model());
        Convert(source, _folder[destination], options).BytesKept.ShouldBePositive();
        using LoadedCheckpoint opened = CheckpointReader.Open(_folder[destination]);
        ((StateTensor)opened.Load("model")["tok_embeddings.weight"]).Type.ShouldBe(TensorType.F16);
    }

    [Theory]
    [InlineData("cairn", true), InlineData("cairn", false), InlineData("internlm", true), InlineData("torch", true), InlineData("huggingface", true), InlineData("huggingface", false)]
    public void A_kill_at_any_operation_leaves_the_old_or_the_new(string layout, bool canExchange)
    {
        string source = Checkpoint(), name = layout == "torch" ? "out.pt" : "out", old = _folder["old"];
        Convert(source, Path.Join(old, name), new ConversionOptions { Layout = layout, Parts = ["model"] });
        for (int at = 0, last = int.MaxValue; at < last; at++)
        {
            string root = _folder[$"{at}"];
            var store = new LocalFileSystem(Path.Join(root, layout is "cairn" or "internlm" ? name : ""));
            Copy(old, root);
            var options = new ConversionOptions { Layout = layout, Parts = ["model"], Type = TensorType.F16, Overwrite = true };
            var killed = FaultyFileSystem.At(canExchange ? store : new WithoutExchange(store), at, staysBroken: true);
            using (LoadedCheckpoint opened = CheckpointReader.Open(source))
            {
                CheckpointConversion Plan(IFileSystem files) => CheckpointConversion.Plan(opened, files, layout == "torch" ? name : "", layout == "huggingface" ? name : "", options, null);
                try
                {
                    Plan(killed).Run(cancellationToken: TestContext.Current.CancellationToken);
                    last = at;
                }
                catch (IOException)
                {
                    // Without an exchange both stand beside for a moment, and the next conversion puts one in its place.
                    if (canExchange || Directory.Exists(Path.Join(root, name, layout == "cairn" ? "3" : "")))
                        TypeAt(Path.Join(root, name)).ShouldBeOneOf(TensorType.F32, TensorType.F16);
                }
                Plan(store).Run(cancellationToken: TestContext.Current.CancellationToken);
                TypeAt(Path.Join(root, name)).ShouldBe(TensorType.F16, $"after {at}");
            }
            Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).ShouldNotContain(path => path.Contains("convert", StringComparison.Ordinal));
        }

        static void Copy(string from, string to)
        {
            Directory.CreateDirectory(to);
            foreach (string folder in Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories))
                Directory.CreateDirectory(Path.Join(to, Path.GetRelativePath(from, folder)));
            foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
                File.Copy(file, Path.Join(to, Path.GetRelativePath(from, file)));
        }

        static TensorType TypeAt(string path)
        {
            using LoadedCheckpoint opened = CheckpointReader.Open(path);
            return ((StateTensor)opened.Load("model")["tok_embeddings.weight"]).Type;
        }
    }

    [Fact]
    public void What_a_folder_holds_besides_the_overwritten_model_is_kept()
    {
        string source = Checkpoint();
        Convert(source, _folder["out"], new ConversionOptions { Layout = "huggingface" });
        File.WriteAllText(_folder["out/notes.txt"], "mine");
        Directory.CreateDirectory(_folder["out/.git"]);
        File.WriteAllText(_folder["out/.git/HEAD"], "main");
        Convert(source, _folder["out"], new ConversionOptions { Layout = "huggingface", Type = TensorType.F16, Overwrite = true });
        File.ReadAllText(_folder["out/notes.txt"]).ShouldBe("mine");
        File.ReadAllText(_folder["out/.git/HEAD"]).ShouldBe("main");
        Directory.EnumerateFileSystemEntries(_folder.Path, ".out*").ShouldBeEmpty();
    }

    [Fact]
    public void Options_that_do_not_fit_are_told_before_anything_is_written()
    {
        string source = Checkpoint();
        void Refused(ConversionOptions options, string destination, string word)
        {
            Should.Throw<CheckpointException>(() => Convert(source, _folder[destination], options)).Message.ShouldContain(word);
            Path.Exists(_folder[destination]).ShouldBeFalse();
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
        var files = new LyingFileSystem(_folder["out"]);
        Should.Throw<ConversionMismatchException>(() => CheckpointConversion.Plan(opened, files, "", new ConversionOptions { Layout = "cairn" }).Run(cancellationToken: TestContext.Current.CancellationToken)).Message.ShouldContain("model/");
        Catalog.Read(new LocalFileSystem(_folder["out"])).Entries[0].Marker.ShouldBeNull();
    }

    [Fact]
    public void Progress_ends_at_the_total_in_each_phase()
    {
        var last = new Dictionary<ConversionPhase, ConversionProgress>();
        Convert(Checkpoint(), _folder["out"], new ConversionOptions { Layout = "cairn" }, progress => last[progress.Phase] = progress);
        last[ConversionPhase.Writing].BytesDone.ShouldBe(last[ConversionPhase.Writing].BytesTotal);
        last[ConversionPhase.Verifying].BytesDone.ShouldBe(last[ConversionPhase.Verifying].BytesTotal);
    }

    private sealed class FixedPart(string name, StateMap state) : IStatePart
    {
        public StateMap? Restored { get; private set; }
        public string Name => name;
        public StateMap Capture() => state;
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) => Restored = saved;
    }

    // Flips the last bit of every file of weights that it writes.
    private sealed class LyingFileSystem(string root) : IFileSystem
    {
        private readonly LocalFileSystem _files = new(root);
        public string Root => _files.Root;
        public bool CanExchange => false;
        public long? AvailableBytes() => null;
        public IReadOnlyList<FileSystemEntry> List(string folder) => _files.List(folder);
        public bool FileExists(string path) => _files.FileExists(path);
        public bool FolderExists(string path) => _files.FolderExists(path);
        public void CreateFolder(string path) => _files.CreateFolder(path);
        public IReadableFile OpenRead(string path) => _files.OpenRead(path);
        public IWritableFile OpenWrite(string path, long length) => path.Contains("model_tp0", StringComparison.Ordinal) ? new Lying(_files.OpenWrite(path, length), length) : _files.OpenWrite(path, length);
        public void SyncFolder(string path) => _files.SyncFolder(path);
        public void Move(string from, string to) => _files.Move(from, to);
        public void Exchange(string first, string second) => throw new NotSupportedException();
        public void DeleteFile(string path) => _files.DeleteFile(path);
        public void DeleteFolder(string path) => _files.DeleteFolder(path);
        public void Append(string path, ReadOnlySpan<byte> bytes, bool durable) => _files.Append(path, bytes, durable);

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

    /// <summary>A file system that cannot swap two folders in one step.</summary>
    private sealed class WithoutExchange(IFileSystem inner) : ForwardingFileSystem(inner)
    {
        public override bool CanExchange => false;
        public override void Exchange(string first, string second) => throw new NotSupportedException();
    }
}
