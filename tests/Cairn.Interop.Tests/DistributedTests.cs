using System.Globalization;
using Cairn.Formats.Torch.Distributed;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Interop.Tests;

public sealed class DistributedTests : IDisposable
{
    // Written by scripts/make_distributed.py with PyTorch 2.6: four ranks, two by two.
    private static readonly string Fixture = Path.Combine(AppContext.BaseDirectory, "fixtures", "distributed");

    private readonly string _folder = Directory.CreateTempSubdirectory("cairn-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_four_ranks_saved_is_whole_tensors_and_values_under_their_paths()
    {
        using LoadedCheckpoint loaded = CheckpointReader.Open(Fixture);
        (loaded.Source!.Layout, string.Join(',', loaded.Parts)).ShouldBe(("dcp", "model,optimizer,context"));
        StateMap model = loaded.Load("model");
        Describe(model["box"]).ShouldBe("F32[4, 6]");
        Floats(model["box"]).ShouldBe([.. Enumerable.Range(0, 24).Select(i => (float)i)]);
        Describe(model["rows"]).ShouldBe("BF16[5, 2]");
        Floats(CastTensor.Of((StateTensor)model["rows"], TensorType.F32)).ShouldBe([.. Enumerable.Range(0, 10).Select(i => (float)i)]);
        Describe(model["columns"]).ShouldBe("I64[3, 4]");
        Bytes(model["columns"]).Where((_, i) => i % 8 == 0).Select(b => (int)b).ShouldBe(Enumerable.Range(0, 12));
        BitConverter.ToDouble(Bytes(model["scalar"])).ShouldBe(2.5);
        var group = (StateMap)((StateList)loaded.Load("optimizer")["param_groups"])[0];
        ((StateScalar)group["lr"]).Value.ShouldBe(0.5);
        ((StateList)group["betas"]).Select(beta => ((StateScalar)beta).Value).ShouldBe([0.9, 0.95]);
        ((StateScalar)loaded.Load("context")["epoch"]).Value.ShouldBe(3L);
    }

    [Fact]
    public void Each_chunk_stands_with_its_place()
    {
        using DistributedCheckpoint checkpoint = DistributedCheckpoint.Open(new LocalFileSystem(Fixture), "");
        DistributedTensor box = checkpoint.Items.OfType<DistributedTensor>().Single(tensor => tensor.Name == "model.box");
        box.Path.ShouldBe(["model", "box"]);
        box.Chunks.Select(chunk => $"{string.Join(',', chunk.Offsets)} {string.Join(',', chunk.Sizes)}").Order(StringComparer.Ordinal).ShouldBe(["0,0 2,3", "0,3 2,3", "2,0 2,3", "2,3 2,3"]);
        checkpoint.Files.Count.ShouldBe(4);
    }

    [Fact]
    public void Any_stretch_of_a_merged_tensor_reads_only_the_files_that_hold_it()
    {
        CopyFixture();
        // Rank 3 holds the lower right of the box and nothing of its upper half.
        using DistributedCheckpoint checkpoint = DistributedCheckpoint.Open(new LocalFileSystem(_folder), "");
        DistributedTensor box = checkpoint.Items.OfType<DistributedTensor>().Single(tensor => tensor.Name == "model.box");
        string lowerRight = box.Chunks.Single(chunk => chunk.Offsets is [2, 3]).Place.File;
        File.Delete(Path.Combine(_folder, lowerRight));
        byte[] upper = new byte[48];
        checkpoint.Tensor(box).CopyTo(0, upper);
        BitConverter.ToSingle(upper, 44).ShouldBe(11);
        Should.Throw<IOException>(() => checkpoint.Tensor(box).CopyTo(48, new byte[48]));
    }

    [Fact]
    public void A_file_that_is_missing_or_cut_is_told_on_opening()
    {
        CopyFixture();
        string file = Path.Combine(_folder, "__3_0.distcp");
        byte[] whole = File.ReadAllBytes(file);
        File.WriteAllBytes(file, whole[..^1]);
        FaultOnOpening().ShouldBe(DistributedFault.OutOfFile);
        File.Delete(file);
        FaultOnOpening().ShouldBe(DistributedFault.MissingFile);
        File.Delete(Path.Combine(_folder, ".metadata"));
        FaultOnOpening().ShouldBe(DistributedFault.MetadataMissing);
    }

    [Fact]
    public void A_chunk_that_is_another_one_is_told_when_it_is_read()
    {
        CopyFixture();
        string file = Path.Combine(_folder, "__0_0.distcp");
        byte[] chunk = File.ReadAllBytes(file);
        // The shape in the chunk's pickle, (2, 3), as two BININT1 and a TUPLE2.
        int shape = chunk.AsSpan().IndexOf((ReadOnlySpan<byte>)[(byte)'K', 2, (byte)'K', 3, 0x86]);
        chunk[shape + 3] = 2;
        File.WriteAllBytes(file, chunk);
        using DistributedCheckpoint checkpoint = DistributedCheckpoint.Open(new LocalFileSystem(_folder), "");
        Should.Throw<CorruptCheckpointException>(() => Bytes(checkpoint.Load()["model"] is StateMap model ? model["box"] : throw new InvalidOperationException()));
    }

    [Fact]
    public void What_the_systems_PyTorch_saves_is_read_back_equal()
    {
        Python.Run("save_distributed.py", [_folder]);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder);
        StateMap state = loaded.Load("model");
        Floats(state["weight"]).ShouldBe([.. Enumerable.Range(0, 12).Select(i => (float)i)]);
        Describe(state["weight"]).ShouldBe("F32[3, 4]");
        Floats(CastTensor.Of((StateTensor)state["half"], TensorType.F32)).ShouldBe([1.5f, -2]);
        Bytes(state["turned"]).Where((_, i) => i % 8 == 0).Select(b => (int)b).ShouldBe([0, 3, 1, 4, 2, 5]);
        ((StateScalar)state["step"]).Value.ShouldBe(7L);
        ((StateScalar)state["name"]).Value.ShouldBe("tiny");
    }

    private DistributedFault FaultOnOpening() =>
        Should.Throw<CorruptDistributedCheckpointException>(() => DistributedCheckpoint.Open(new LocalFileSystem(_folder), "")).Fault;

    private void CopyFixture()
    {
        foreach (string file in Directory.GetFiles(Fixture))
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
    }

    private static string Describe(StateNode node) => string.Create(CultureInfo.InvariantCulture, $"{((StateTensor)node).Type}[{string.Join(", ", ((StateTensor)node).Shape)}]");

    private static byte[] Bytes(StateNode node)
    {
        byte[] bytes = new byte[((StateTensor)node).ByteLength];
        ((StateTensor)node).CopyTo(0, bytes);
        return bytes;
    }

    private static float[] Floats(StateNode node) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(Bytes(node)).ToArray();
}
