using Cairn.Checkpoints;
using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Interop.Tests;

/// <summary>Folders of InternLM's, written by a script that cuts a known model as its ranks do, put together and compared with the whole to the bit.</summary>
public sealed class InternLmReadingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Jobs =>
    [
        """{"family": "internlm2"}""",
        """{"family": "internlm2", "tp": 2}""",
        """{"family": "internlm2", "pp": 2}""",
        """{"family": "internlm2", "zo": 4, "dp": 4}""",
        """{"family": "internlm2", "tp": 2, "pp": 2, "dp": 4, "zo": 2}""",
        """{"family": "internlm2", "tp": 2, "dp": 2, "zo": 2, "dtype": "float32"}""",
        """{"family": "internlm2", "tp": 2, "pp": 3, "dp": 2, "zo": 2, "layers": 7, "fp32_norm": true}""",
        """{"family": "internlm2", "tp": 2, "zo": 2, "dp": 2, "embed_split_hidden": false}""",
        """{"family": "internlm2", "tp": 2, "pp": 2, "zo": 2, "dp": 2, "chunks": 2}""",
        """{"family": "internlm2", "tp": 2, "zo": 2, "dp": 2, "plan": "apart"}""",
        """{"family": "internlm2", "tp": 2, "zo": 2, "dp": 2, "plan": "none"}""",
        // More ranks than parameters of some group.
        """{"family": "internlm2", "dp": 32, "zo": 32, "fp32_norm": true, "layers": 2}""",
        """{"family": "internlm", "tp": 2, "pp": 2, "dp": 2, "zo": 2}""",
        """{"family": "internlm-0.2", "tp": 4, "pp": 2, "dp": 2, "zo": 2, "fp32_norm": true}""",
        """{"family": "internlm2", "tp": 2, "wp": 4, "pp": 2, "dp": 4, "zo": 2}""",
        """{"family": "internlm2", "tp": 4, "wp": 2, "dp": 2, "zo": 4, "fp32_norm": true}""",
        """{"family": "internlm2", "tp": 1, "wp": 2, "dp": 4, "zo": 2}""",
        """{"family": "internlm2", "dp": 3, "fsdp": true, "fp32_norm": true}""",
        """{"family": "internlm", "tp": 2, "pp": 2, "dp": 2, "fsdp": true}""",
        """{"family": "moe", "tp": 2, "pp": 2, "dp": 4, "zo": 4}""",
        // Stages of two and three layers: the experts' files are numbered from the second stage's first layer.
        """{"family": "moe", "tp": 1, "pp": 2, "dp": 2, "zo": 2, "layers": 5}""",
        """{"family": "moe", "tp": 1, "pp": 2, "dp": 2, "zo": 2, "chunks": 2}""",
        // Experts with ISP where nothing is cut.
        """{"family": "moe", "wp": 1, "dp": 2, "zo": 2}""",
        // InternEvo since 2024-07.
        """{"family": "internlm2", "evo": 2025, "wp": 2, "dp": 4, "zo": 2}""",
        """{"family": "internlm2", "evo": 2025, "wp": 2, "tp": 2, "pp": 2, "dp": 2, "zo": 2, "fuse_qkv": true, "fp32_norm": true}""",
        """{"family": "internlm2", "evo": 2025, "wp": 2, "dp": 2, "fuse_mlp": true, "flags": true}""",
        """{"family": "internlm2", "evo": 2025, "tp": 2, "dp": 2, "zo": 2}""",
        """{"family": "internlm2", "evo": 2025, "tp": 2, "dp": 2, "zo": 2, "fuse_qkv": true, "fuse_mlp": true}""",
        """{"family": "internlm2", "evo": 2025, "tp": 2, "pp": 2, "fuse_qkv": true, "fuse_mlp": true, "flags": true, "dtype": "float32"}""",
        """{"family": "internlm2", "evo": 2025, "tp": 2, "dp": 3, "zo": 3, "split_tensor": true, "fuse_qkv": true, "fp32_norm": true}""",
        """{"family": "moe", "evo": 2025, "wp": 4, "dp": 4, "zo": 1, "ewp": 2}""",
        """{"family": "moe", "evo": 2025, "tp": 2, "dp": 2, "zo": 2, "no_tp": true}""",
        """{"family": "moe", "evo": 2025, "tp": 2, "dp": 4, "zo": 1, "moe_names": true}""",
        """{"family": "moe", "evo": 2025, "wp": 2, "dp": 4, "zo": 1, "ewp": 1, "moe_names": true}""",
        """{"family": "moe", "evo": 2025, "dp": 4, "zo": 4, "split_tensor": true}""",
        """{"family": "moe", "wp": 1, "dp": 4, "zo": 4}""",
    ];

    [Theory, MemberData(nameof(Jobs))]
    public void A_job_of_any_size_is_put_together_to_the_bit(string job)
    {
        Make(job);
        using TorchFile whole = TorchFile.Open(new LocalFileSystem(_folder.Path), "whole.pt");
        using LoadedCheckpoint loaded = CheckpointReader.Open(At("checkpoint"));
        bool isHalf = !job.Contains("float32", StringComparison.Ordinal);
        loaded.Parts.ShouldBe(isHalf ? ["model", "optimizer", "master", "scaler", "scheduler", "sampler", "context"] : ["model", "optimizer", "scaler", "scheduler", "sampler", "context"]);

        Compare((TorchMap)((TorchMap)whole.Root)["model"], name => loaded.Load("model")[name], loaded.Load("model").Count);
        StateMap optimizer = loaded.Load("optimizer"), states = (StateMap)optimizer["state"];
        foreach (string moment in (string[])["exp_avg", "exp_avg_sq"])
            Compare((TorchMap)((TorchMap)whole.Root)[moment], name => ((StateMap)states[name])[moment], states.Count);
        states.Values.ShouldAllBe(state => Equals(((StateScalar)((StateMap)state)["step"]).Value, 250L));
        if (!isHalf)
            Should.Throw<KeyNotFoundException>(() => loaded.Load("master"));
        else
            Compare((TorchMap)((TorchMap)whole.Root)["master"], name => loaded.Load("master")[name], loaded.Load("master").Count);

        // One group again, in the order of the modules.
        var group = (StateMap)((StateList)optimizer["groups"]).ShouldHaveSingleItem();
        ((StateScalar)group["lr"]).Value.ShouldBe(1e-4);
        ((StateScalar)group["initial_lr"]).Value.ShouldBe(3e-4);
        ((StateList)group["params"]).Select(name => (string)((StateScalar)name).Value!).ShouldBe(loaded.Load("model").Keys, ignoreOrder: !job.Contains("internlm2", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"family": "internlm2", "tp": 2, "pp": 2, "dp": 4, "zo": 2}""", 2, 2, 4, 2)]
    [InlineData("""{"family": "internlm2", "tp": 2, "wp": 4, "pp": 2, "dp": 4, "zo": 2}""", 2, 2, 4, 2)]
    [InlineData("""{"family": "internlm", "tp": 2, "dp": 2, "fsdp": true}""", 2, 1, 2, 2)]
    public void The_catalog_sees_it_and_every_part_of_it_can_be_read(string job, int tp, int pp, int dp, int zo)
    {
        Make(job);
        Directory.Move(At("checkpoint"), At("250"));
        var files = new LocalFileSystem(_folder.Path);
        CatalogEntry entry = Catalog.Read(files).Entries.ShouldHaveSingleItem();
        (entry.Step, entry.Kind, entry.Fault).ShouldBe((250, SaveKind.Checkpoint, null));
        Marker marker = entry.Marker.ShouldNotBeNull();
        (marker.IsDerived, marker.Layout).ShouldBe((true, "internlm"));
        (marker.World.Tp, marker.World.Pp, marker.World.Dp, marker.World.Zo).ShouldBe((tp, pp, dp, zo));
        Verifier.Verify(files, entry, TestContext.Current.CancellationToken).ShouldBeNull();

        TrainState train = TrainState.FromState(marker.Train);
        (train.Step, train.Batch, train.SkippedBatches, train.SamplesInEpoch, train.ConsumedTokens, train.LogFolder).ShouldBe((250, 253, 3, 40, 123456, "runs/tb"));
        ((StateScalar)train.Values["config_file"]).Value.ShouldBe("model = dict(num_layers=4)\n");
        ((StateScalar)((StateMap)((StateMap)train.Values["model_config"])["nested"])["mode"]).Value.ShouldBe("isp");

        using LoadedCheckpoint loaded = CheckpointReader.Open(At("250"));
        ((StateScalar)loaded.Load("scheduler")["last_epoch"]).Value.ShouldBe(250L);
        ((StateList)((StateList)loaded.Load("sampler")["rng_state"])[1]).Count.ShouldBe(624);
        foreach (string part in loaded.Parts)
            loaded.FilesOf(part).ShouldNotBeEmpty();
    }

    [Fact]
    public void Sharded_tensors_that_FSDP_of_a_newer_PyTorch_saved_are_joined()
    {
        // Made by scripts/make_fsdp.py with PyTorch 2.6. Three rows over two ranks: the second has one.
        string folder = Path.Combine(AppContext.BaseDirectory, "fixtures", "fsdp");
        CheckpointReader.Detect(folder).Layout.ShouldBe("internlm");
        using LoadedCheckpoint loaded = CheckpointReader.Open(folder);
        loaded.Parts.ShouldBe(["model"]);
        StateMap model = loaded.Load("model");
        model.Select(tensor => $"{tensor.Key} {tensor.Value}").ShouldBe(["tok_embeddings.weight F32[5, 4]", "norm.weight F32[3]", "output.weight BF16[3, 4]"]);
        Samples.Bytes((StateTensor)model["tok_embeddings.weight"]).ShouldBe([.. Enumerable.Range(0, 20).SelectMany(i => BitConverter.GetBytes((float)i))]);
        Samples.Bytes((StateTensor)model["norm.weight"]).ShouldBe([.. Enumerable.Range(0, 3).SelectMany(i => BitConverter.GetBytes((float)i))]);
        Samples.Bytes((StateTensor)model["output.weight"]).ShouldBe([.. Enumerable.Range(0, 12).SelectMany(i => BitConverter.GetBytes((float)i)[2..])]);
    }

    [Theory]
    [InlineData("model_tp1_pp1.pt", "model_tp1_pp1.pt is missing")]
    [InlineData("optimizer_tp0_pp1_zo1.pt", "optimizer_tp0_pp1_zo1.pt is missing")]
    public void A_file_that_the_others_ask_for_is_missed(string name, string reason)
    {
        Make("""{"family": "internlm2", "tp": 2, "pp": 2, "dp": 2, "zo": 2}""");
        File.Delete(At("checkpoint/" + name));
        Directory.Move(At("checkpoint"), At("250"));
        CatalogEntry entry = Catalog.Read(new LocalFileSystem(_folder.Path)).Entries.ShouldHaveSingleItem();
        entry.Marker.ShouldBeNull();
        entry.Fault.ShouldNotBeNull().Reason.ShouldContain(reason);
    }

    [Fact]
    public void Files_of_two_steps_are_not_taken_for_a_copy()
    {
        // InternLM overwrites a snapshot in place and leaves the older marker.
        Make("""{"family": "internlm2", "step": 270}""");
        Directory.CreateDirectory(At("snapshot"));
        Directory.Move(At("checkpoint"), At("snapshot/0"));
        Make("""{"family": "internlm2", "step": 250}""");
        File.Move(At("checkpoint/250.step"), At("snapshot/0/250.step"));
        File.Delete(At("snapshot/0/270.step"));
        Catalog.Read(new LocalFileSystem(_folder.Path)).Entries.ShouldHaveSingleItem().Fault.ShouldNotBeNull().Reason.ShouldContain("InternLM was interrupted");
    }

    [Fact]
    public void A_flipped_bit_is_found_by_its_checksum()
    {
        Make("""{"family": "internlm2", "tp": 2}""");
        Directory.Move(At("checkpoint"), At("250"));
        byte[] bytes = File.ReadAllBytes(At("250/optimizer_tp1_pp0_zo0.pt"));
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(At("250/optimizer_tp1_pp0_zo0.pt"), bytes);
        var files = new LocalFileSystem(_folder.Path);
        CatalogEntry entry = Catalog.Read(files).Entries.ShouldHaveSingleItem();
        entry.Fault.ShouldBeNull();
        Verifier.Verify(files, entry, TestContext.Current.CancellationToken).ShouldNotBeNull().Path.ShouldBe("250/optimizer_tp1_pp0_zo0.pt");
    }

    [Fact]
    public void Ranks_that_do_not_fit_each_other_are_named()
    {
        Make("""{"family": "internlm2", "tp": 2}""");
        string first = At("checkpoint");
        Directory.Move(first, At("one"));
        Make("""{"family": "internlm2", "tp": 2, "layers": 2}""");
        File.Copy(At("checkpoint/model_tp1_pp0.pt"), At("one/model_tp1_pp0.pt"), overwrite: true);
        Should.Throw<CorruptCheckpointException>(() => CheckpointReader.Open(At("one"))).Message.ShouldContain("is in the files of 1 of 2 ranks");
    }

    private string At(string path) => Path.Combine(_folder.Path, path);

    private void Make(string job)
    {
        File.WriteAllText(At("job.json"), job);
        Python.Run("internlm_fixture.py", [_folder.Path, At("job.json")]);
    }

    private static void Compare(TorchMap expected, Func<string, StateNode> found, int count)
    {
        count.ShouldBe(expected.Count);
        foreach ((TorchValue key, TorchValue value) in expected)
        {
            string name = (string)((TorchScalar)key).Value!;
            StateTensor right = ((TorchTensorValue)value).Data, tensor = found(name).ShouldBeAssignableTo<StateTensor>()!;
            tensor.ToString().ShouldBe(right.ToString(), name);
            Samples.Bytes(tensor).ShouldBe(Samples.Bytes(right), name);
            // Any range of it is read alone.
            int part = (int)Math.Min(7, tensor.ByteLength);
            byte[] middle = new byte[part];
            tensor.CopyTo((tensor.ByteLength - part) / 2, middle);
            middle.ShouldBe(Samples.Bytes(right).AsSpan((int)(tensor.ByteLength - part) / 2, part).ToArray(), name);
        }
    }
}
