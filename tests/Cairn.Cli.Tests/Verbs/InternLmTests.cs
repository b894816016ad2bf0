using Cairn.Checkpoints;
using Cairn.Cli.Listing;
using Cairn.Cli.Tests.Samples;
using Cairn.Cli.Verification;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Verbs;

/// <summary>Folders of InternLM's: whatever looks at one, a verb or a resume, comes to the same judgement.</summary>
public sealed class InternLmTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_InternEvo_saved_is_good_for_every_reader() => Judge(InternLmSample.Write(_folder["8"], 8)).ShouldBeNull();

    [Theory]
    [InlineData("model_tp0_pp0.pt", "model_tp0_pp0.pt is missing")]
    [InlineData("optimizer_tp0_pp0_zo0.pt", "optimizer_tp0_pp0_zo0.pt is missing")]
    [InlineData("model_tp0_pp0.pt optimizer_tp0_pp0_zo0.pt", "2 files are missing, the first model_tp0_pp0.pt")]
    [InlineData("optimizer_tp0_pp0_zo0.pt gpus-1_wp-0_tp-0_dp-0_pp-0_zo-0.pt", "optimizer_tp0_pp0_zo0.pt is missing")]
    [InlineData("model_tp0_pp0.pt topo_tp0_pp0.json optimizer_tp0_pp0_zo0.pt gpus-1_wp-0_tp-0_dp-0_pp-0_zo-0.pt schedulder.pt", "model_tp0_pp0.pt is missing")]
    [InlineData("8.step", "there is no 8.step")]
    public void A_copy_that_lost_files_is_bad_for_every_reader(string lost, string reason)
    {
        InternLmSample.Write(_folder["8"], 8);
        foreach (string name in lost.Split(' '))
            File.Delete(_folder["8/" + name]);
        Judge(_folder["8"]).ShouldNotBeNull().ShouldContain(reason);
    }

    [Theory]
    [InlineData("gpus-2_wp-0_tp-0_dp-1_pp-0_zo-1.pt", "optimizer_tp0_pp0_zo1.pt is missing")]
    [InlineData("topo_tp0_pp1.json", "the first model_tp0_pp1.pt")]
    [InlineData("optimizer_tp1_pp0_zo0.pt", "model_tp1_pp0.pt is missing")]
    public void Every_name_tells_which_ranks_there_were(string name, string reason)
    {
        InternLmSample.Write(_folder["8"], 8);
        string like = InternLmSample.Order.First(file => file[..4] == name[..4]);
        File.Copy(_folder["8/" + like], _folder["8/" + name]);
        Judge(_folder["8"]).ShouldNotBeNull().ShouldContain(reason);
    }

    [Theory, InlineData("model_tp0_sp1_pp0.pt"), InlineData("optimizer_cp0_pp0_zo0.pt"), InlineData("topo_ep0_pp0.json"), InlineData("gpus-8_cp-0_tp-0.pt")]
    public void A_shard_of_an_unknown_kind_leaves_nothing_good(string name)
    {
        InternLmSample.Write(_folder["8"], 8);
        File.Copy(_folder["8/model_tp0_pp0.pt"], _folder["8/" + name]);
        Judge(_folder["8"]).ShouldNotBeNull().ShouldContain($"{name} is a shard by its name");
        File.Delete(_folder["8/model_tp0_pp0.pt"]);
        Judge(_folder["8"]).ShouldNotBeNull();
    }

    [Fact]
    public void A_marker_that_says_another_step_than_its_name_is_bad_for_every_reader()
    {
        InternLmSample.Write(_folder["8"], 8);
        SampleFolders.Torch(_folder["8/8.step"], new StateMap { ["step"] = 9L });
        Judge(_folder["8"]).ShouldNotBeNull().ShouldContain("8.step is of step 9");
    }

    [Fact]
    public void Weights_alone_are_good_with_a_marker_and_without()
    {
        InternLmSample.Write(_folder["8"], 8);
        foreach (string name in InternLmSample.Order[2..])
            File.Delete(_folder["8/" + name]);
        Judge(_folder["8"]).ShouldBeNull();
        File.Delete(_folder["8/8.step"]);
        Directory.Move(_folder["8"], _folder["weights"]);
        CopyListing listing = CopyListing.Read(_folder["weights"]);
        (listing.Copies.ShouldHaveSingleItem().Fault, listing.Resumed).ShouldBe((null, null));
        using LoadedCheckpoint weights = CheckpointReader.Open(_folder["weights"]);
        weights.Parts.ShouldBe(["model"]);
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5), InlineData(6)]
    public void A_snapshot_that_was_being_overwritten_is_bad_for_every_reader_wherever_it_stopped(int written)
    {
        InternLmSample.Write(_folder["run/snapshot/0"], 5);
        InternLmSample.Write(_folder["newer"], 15);
        foreach (string name in InternLmSample.Order[..written])
            File.Copy(_folder["newer/" + name], _folder["run/snapshot/0/" + name], overwrite: true);
        Judge(_folder["run/snapshot/0"]).ShouldNotBeNull().ShouldContain("InternLM was interrupted");
    }

    [Fact]
    public void Weights_of_another_save_are_found_wherever_they_differ()
    {
        InternLmSample.Write(_folder["8"], 8);
        // The last element of the last tensor in the file.
        byte[] bytes = File.ReadAllBytes(_folder["8/model_tp0_pp0.pt"]);
        StateMap model = [];
        using (LoadedCheckpoint loaded = CheckpointReader.Open(_folder["8"]))
        {
            foreach ((string name, StateNode node) in loaded.Load("model"))
            {
                byte[] values = new byte[((StateTensor)node).ByteLength];
                ((StateTensor)node).CopyTo(0, values);
                if (name == "layers.0.attention.wqkv.weight")
                    values[^2] ^= 1;
                model.Add(name, new MemoryTensor(TensorType.BF16, [.. ((StateTensor)node).Shape], values));
            }
        }
        SampleFolders.Torch(_folder["8/model_tp0_pp0.pt"], model);
        Verify(_folder["8"]).ShouldNotBeNull().ShouldContain("'layers.0.attention.wqkv.weight' of the model is not what its optimizer has trained");
        File.WriteAllBytes(_folder["8/model_tp0_pp0.pt"], bytes);
        Verify(_folder["8"]).ShouldBeNull();
    }

    [Fact]
    public void A_run_that_began_with_the_optimizer_of_another_keeps_its_checkpoints()
    {
        InternLmSample.Write(_folder["8"], 8);
        InternLmSample.Write(_folder["other"], 30);
        foreach (string name in InternLmSample.Order[..4])
            File.Copy(_folder["other/" + name], _folder["8/" + name], overwrite: true);
        Judge(_folder["8"]).ShouldBeNull();
    }

    [Fact]
    public void A_snapshot_has_the_step_of_its_marker_however_it_is_named()
    {
        InternLmSample.Write(_folder["run/snapshot/0"], 3);
        InternLmSample.Write(_folder["run/snapshot/1"], 4);
        InternLmSample.Write(_folder["kept"], 3);
        foreach (string path in new[] { "run/snapshot/0", "kept" })
        {
            Judge(_folder[path]).ShouldBeNull();
            CopyListing.Read(_folder[path]).Copies.ShouldHaveSingleItem().Step.ShouldBe(3);
            using LoadedCheckpoint loaded = CheckpointReader.Open(_folder[path]);
            loaded.Source!.Step.ShouldBe(3);
        }
        CopyListing slots = CopyListing.Read(_folder["run/snapshot"]);
        slots.Copies.Select(copy => (copy.Step, copy.Kind, copy.Fault)).ShouldBe([(4, "snapshot", null), (3, "snapshot", null)]);
    }

    [Theory, InlineData("8"), InlineData("snapshot/1")]
    public void Left_over_markers_do_not_make_another_step(string path)
    {
        InternLmSample.Write(_folder["run/" + path], 8);
        foreach (long left in new[] { 4L, 12L, 20L })
            SampleFolders.Torch(_folder[$"run/{path}/{left}.step"], new StateMap { ["step"] = left });
        Judge(_folder["run/" + path]).ShouldBeNull();
        CopyListing.Read(_folder["run"]).Copies.ShouldHaveSingleItem().Step.ShouldBe(8);
        CatalogEntry entry = Catalog.Read(new LocalFileSystem(_folder["run"])).Entries.ShouldHaveSingleItem();
        (entry.Step, entry.Fault).ShouldBe((8, null));
        Result result = CairnCall.Run("convert", _folder["run/" + path], _folder["out"], "--layout", "cairn");
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        File.Exists(_folder["out/8/8.step"]).ShouldBeTrue();
    }

    [Fact]
    public void A_run_is_read_from_its_newest_good_copy()
    {
        InternLmSample.Write(_folder["run/10"], 10);
        InternLmSample.Write(_folder["run/20"], 20);
        File.Delete(_folder["run/20/model_tp0_pp0.pt"]);
        using LoadedCheckpoint loaded = CheckpointReader.Open(_folder["run"]);
        loaded.Source!.Step.ShouldBe(10);
    }

    // What is wrong with a copy, when ls, verify, show, convert and resume agree.
    private static string? Judge(string path)
    {
        ListedCopy listed = CopyListing.Read(path).Copies.ShouldHaveSingleItem();
        string? read = Read(path), verified = Verify(path);
        (read is null).ShouldBe(listed.Fault is null, $"ls says '{listed.Fault}', show and convert say '{read}'");
        (verified is null).ShouldBe(listed.Fault is null, $"ls says '{listed.Fault}', verify says '{verified}'");
        var files = new LocalFileSystem(Path.GetDirectoryName(path)!);
        string name = Path.GetFileName(path);
        CatalogEntry resumed = RunFolder.IsStep(name, out long step) && File.Exists(Path.Join(path, Marker.FileName(step)))
            ? CatalogEntry.At(files, name, Cairn.Policies.SaveKind.Checkpoint, step) : Catalog.Snapshot(files, name);
        (resumed.Fault is null).ShouldBe(listed.Fault is null, $"ls says '{listed.Fault}', a resume says '{resumed.Fault}'");
        return listed.Fault;
    }

    private static string? Verify(string path)
    {
        CopyListing listing = CopyListing.Read(path);
        CopyCheck check = new CopyVerifier(listing.Root, _ => { }).Verify(listing.Copies[0], TestContext.Current.CancellationToken);
        return check.IsGood ? null : check.Faults[0].Reason;
    }

    private static string? Read(string path)
    {
        try
        {
            using LoadedCheckpoint loaded = CheckpointReader.Open(path);
            return null;
        }
        catch (CheckpointException e)
        {
            return e.Message;
        }
    }
}
