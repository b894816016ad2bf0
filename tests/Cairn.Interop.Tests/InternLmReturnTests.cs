using Cairn.Conversion;
using Cairn.Formats.Torch;
using Cairn.Inspection;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Interop.Tests;

/// <summary>What InternEvo saved, converted to Cairn's files and back to InternLM's, is what its loader had before.</summary>
public sealed class InternLmReturnTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{"family": "internlm2"}""", "cairn")]
    [InlineData("""{"family": "internlm2", "tp": 2, "pp": 2, "dp": 2, "zo": 2}""", "cairn")]
    [InlineData("""{"family": "internlm2", "tp": 2, "wp": 4, "pp": 2, "dp": 4, "zo": 2}""", "internlm")]
    public void Its_counters_scheduler_sampler_and_loss_scale_come_back(string job, string through)
    {
        Make(job);
        Convert("checkpoint", "there", through);
        Convert("there/250", "back", "internlm");
        foreach (string name in (string[])["schedulder.pt", "sampler.pt", "context.pt", "250.step"])
        {
            foreach ((string key, string value) in Entries($"checkpoint/{name}"))
            {
                // InternEvo's loader sets it to the steps that were made.
                if ((name, key) != ("schedulder.pt", "/last_epoch"))
                    Entries($"back/250/{name}").GetValueOrDefault(key).ShouldBe(value, $"{name}{key}");
            }
        }
        Directory.GetFiles(At("back/250"), "sampler*").ShouldHaveSingleItem();
        string[] scaler = [.. Entries(Directory.GetFiles(At("checkpoint"), "optimizer_*")[0]).Where(IsScaler).Select(entry => $"{entry.Key}={entry.Value}")];
        scaler.Length.ShouldBe(3);
        Entries("back/250/optimizer_tp0_pp0_zo0.pt").Where(IsScaler).Select(entry => $"{entry.Key}={entry.Value}").ShouldBe(scaler);
    }

    [Theory, InlineData("cairn"), InlineData("internlm")]
    public void A_sampler_of_each_rank_comes_back_under_the_first_ones_number(string through)
    {
        Make("""{"family": "internlm2", "dp": 2}""");
        File.Copy(At("checkpoint/sampler.pt"), At("checkpoint/sampler_1.pt"));
        // Its keys are its own, not those of the sampler of one file.
        using (FileStream file = File.Create(At("checkpoint/sampler_0.pt")))
            TorchFileWriter.Plan(new TorchMap { ["shards"] = new TorchList(TorchListKind.List, [3L, 5L]), ["consumed"] = 7L }, "sampler_0").WriteTo((bytes, _, _) => file.Write(bytes));
        File.Delete(At("checkpoint/sampler.pt"));
        using (LoadedCheckpoint source = CheckpointReader.Open(At("checkpoint")))
            CheckpointConversion.Plan(source, At("there"), new ConversionOptions { Layout = through }).Notes.ShouldContain(note => note.Contains("'sampler'", StringComparison.Ordinal) && note.Contains("rank 0", StringComparison.Ordinal));
        Convert("checkpoint", "there", through);
        Convert("there/250", "back", "internlm");
        Directory.GetFiles(At("back/250"), "sampler*").Select(Path.GetFileName).ShouldBe(["sampler_0.pt"]);
        Entries("back/250/sampler_0.pt").ShouldBe(Entries("checkpoint/sampler_0.pt"));
    }

    [Theory]
    [InlineData("""{"family": "moe", "tp": 2, "pp": 2, "dp": 4, "zo": 4}""")]
    [InlineData("""{"family": "moe", "evo": 2025, "wp": 2, "dp": 4, "zo": 1, "ewp": 1, "moe_names": true}""")]
    public void Experts_come_back_in_files_and_a_group_of_their_own(string job)
    {
        Make(job);
        Convert("checkpoint", "there", "cairn");
        Convert("there/250", "back", "internlm");
        Directory.GetFiles(At("back/250"), "model_moe_*").Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(
            Enumerable.Range(0, 16).Select(i => $"model_moe_layer{i / 4}_expert{i % 4}_tp0.pt"));
        Entries("back/250/model_tp0_pp0.pt").Keys.ShouldNotContain(key => key.Contains("wrapped_experts", StringComparison.Ordinal));
        Dictionary<string, string> optimizer = Entries("back/250/optimizer_tp0_pp0_zo0.pt");
        Enumerable.Range(0, 3).Select(i => optimizer[$"/base_optim_states/param_groups/{i}/name"]).ShouldBe(["String default", "String fp32", "String moe_ep_size_1"]);
        optimizer["/base_optim_states/param_groups/2/moe"].ShouldBe("Boolean True");
        Same("checkpoint", "back/250");
        // Without Cairn's own files it is what InternEvo would have written on one rank.
        foreach (string own in Directory.GetFiles(At("back/250"), "cairn*"))
            File.Delete(own);
        Same("checkpoint", "back/250");
    }

    [Fact]
    public void An_expert_that_is_missing_is_told()
    {
        Make("""{"family": "moe", "dp": 2, "zo": 2}""");
        Convert("checkpoint", "back", "internlm");
        File.Delete(At("back/250/model_moe_layer1_expert2_tp0.pt"));
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(At("back/250")).Load("model")).Message.ShouldContain("model_moe_layer1_expert2_tp0.pt");
    }

    private void Same(string first, string second)
    {
        using LoadedCheckpoint one = CheckpointReader.Open(At(first)), other = CheckpointReader.Open(At(second));
        foreach (string part in (string[])["model", "optimizer", "master"])
        {
            Dictionary<string, StateNode> leaves = StateLeaves.Of(other.Load(part)).ToDictionary(leaf => leaf.Path, leaf => leaf.Node, StringComparer.Ordinal);
            foreach (StateLeaf leaf in StateLeaves.Of(one.Load(part)).Where(leaf => leaf.Node is StateTensor))
                Samples.Bytes((StateTensor)leaves[leaf.Path]).ShouldBe(Samples.Bytes((StateTensor)leaf.Node), $"{part}/{leaf.Path}");
        }
    }

    [Fact]
    public void The_configuration_of_the_model_comes_back_with_its_dtype()
    {
        Make("""{"family": "internlm2"}""");
        Convert("checkpoint", "there", "cairn");
        Convert("there/250", "back", "internlm");
        using TorchFile file = TorchFile.Open(new LocalFileSystem(At("back/250")), "model_config.pt");
        ((TorchMap)file.Root)["dtype"].ShouldBeOfType<TorchGlobal>().ToString().ShouldBe("torch.bfloat16");
    }

    [Theory, InlineData(250), InlineData(260)]
    public void What_InternEvo_wrote_over_a_copy_of_Cairn_is_judged_by_its_own_files(int step)
    {
        Make("""{"family": "internlm2"}""");
        Convert("checkpoint", "run", "internlm");
        Directory.CreateDirectory(At("run/snapshot"));
        Directory.Move(At("run/250"), At("run/snapshot/0"));
        Make($$"""{"family": "internlm2", "seed": 7, "step": {{step}}}""");
        foreach (string file in Directory.GetFiles(At("checkpoint")))
            File.Copy(file, At($"run/snapshot/0/{Path.GetFileName(file)}"), overwrite: true);
        File.Exists(At("run/snapshot/0/cairn.json")).ShouldBeTrue();

        CatalogEntry entry = Catalog.Read(new LocalFileSystem(At("run"))).Entries.ShouldHaveSingleItem();
        entry.Fault.ShouldBeNull();
        (entry.Step, entry.Marker.ShouldNotBeNull().IsDerived).ShouldBe((step, true));
        using LoadedCheckpoint loaded = CheckpointReader.Open(At("run"));
        using LoadedCheckpoint own = CheckpointReader.Open(At("checkpoint"));
        Samples.Bytes((StateTensor)loaded.Load("model")["output.weight"]).ShouldBe(Samples.Bytes((StateTensor)own.Load("model")["output.weight"]));
    }

    [Fact]
    public void A_copy_of_Cairn_that_lost_a_byte_is_not_taken_for_one_of_InternEvo()
    {
        Make("""{"family": "internlm2"}""");
        Convert("checkpoint", "run", "internlm");
        using (FileStream file = File.OpenWrite(At("run/250/context.pt")))
            file.SetLength(file.Length - 1);
        CatalogEntry entry = Catalog.Read(new LocalFileSystem(At("run"))).Entries.ShouldHaveSingleItem();
        entry.Fault.ShouldNotBeNull().Path.ShouldBe("250/context.pt");
    }

    private static bool IsScaler(KeyValuePair<string, string> entry) => entry.Key.StartsWith("/grad_scaler/", StringComparison.Ordinal);

    private void Convert(string from, string to, string layout)
    {
        using LoadedCheckpoint source = CheckpointReader.Open(At(from));
        CheckpointConversion.Plan(source, At(to), new ConversionOptions { Layout = layout }).Run(cancellationToken: TestContext.Current.CancellationToken);
    }

    // Every value of a file by its path, with its type; a tensor by its bytes, a list of numbers like a tensor of them.
    private Dictionary<string, string> Entries(string path)
    {
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        using TorchFile file = TorchFile.Open(new LocalFileSystem(_folder.Path), Path.GetRelativePath(_folder.Path, At(path)), new TorchReadOptions { AllowOpaque = true });
        Add("", file.Root);
        return entries;

        void Add(string at, TorchValue value)
        {
            switch (value)
            {
                case TorchMap map:
                    foreach ((TorchValue key, TorchValue item) in map)
                        Add($"{at}/{key}", item);
                    break;
                case TorchList list:
                    for (int i = 0; i < list.Count; i++)
                        Add($"{at}/{i}", list[i]);
                    break;
                case TorchTensorValue { Data.Type: TensorType.U32 } words:
                    byte[] bytes = Samples.Bytes(words.Data);
                    for (int i = 0; i < bytes.Length / 4; i++)
                        entries.Add($"{at}/{i}", $"Int64 {BitConverter.ToUInt32(bytes, 4 * i)}");
                    break;
                case TorchTensorValue tensor:
                    entries.Add(at, $"{tensor.Data} {System.Convert.ToHexString(Samples.Bytes(tensor.Data))}");
                    break;
                default:
                    entries.Add(at, $"{(value as TorchScalar)?.Value?.GetType().Name} {value}");
                    break;
            }
        }
    }

    private string At(string path) => Path.Combine(_folder.Path, path);

    private void Make(string job)
    {
        File.WriteAllText(At("job.json"), job);
        Python.Run("internlm_fixture.py", [_folder.Path, At("job.json")]);
    }
}
