using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Mpi;
using Cairn.Mpi.Tests;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;

namespace TinyLm.Tests;

/// <summary>Several ranks save and resume, under the real launchers of both MPIs.</summary>
public class RankSaveTests
{
    static readonly string[] Four = ["--tp", "2", "--dp", "2", "--zero"];

    [Fact]
    public void Four_ranks_killed_and_resumed_under_either_MPI_equal_four_that_were_not_bit_for_bit()
    {
        MpiRun.Require(MpiImplementation.OpenMpi);
        MpiRun.Require(MpiImplementation.Mpich);
        using var folder = new TemporaryFolder();
        string[] command = [.. Four, "--batch-size", "16", "--width", "64", "--total-steps", "24", "--checkpoint-every", "10", "--snapshot-every", "4", "--overflow-at", "7", "--final-digest"];
        string whole = RankTests.Well(RankTests.Train(MpiImplementation.OpenMpi, 4, ["--run", folder.Run("whole"), .. command]));
        whole.ShouldContain("(tp 2, dp 2, zo 2) over Open MPI");
        // In the first batch some gradients are just too large for fp16: a rank that holds none of these skips all the same.
        whole.ShouldContain("skipped batch 1:");
        whole.ShouldContain("skipped batch 7:");
        (MpiImplementation First, MpiImplementation Then)[] ways = [(MpiImplementation.OpenMpi, MpiImplementation.Mpich), (MpiImplementation.Mpich, MpiImplementation.OpenMpi)];
        Random.Shared.Shuffle(ways);
        foreach ((MpiImplementation first, MpiImplementation then) in ways.Take(RandomFaults.Count(some: 1, all: 2)))
        {
            string[] run = ["--run", folder.Run($"{first}"), .. command, "--overlap"];
            RankTests.Train(first, 4, [.. run, "--crash-at", "16"]).Code.ShouldNotBe(0);
            string resumed = RankTests.Well(RankTests.Train(then, 4, run));
            resumed.ShouldContain("resumes at step");
            RankTests.Digest(resumed).ShouldBe(RankTests.Digest(whole), $"killed under {first}, resumed under {then}");
        }
    }

    [Fact]
    public void What_four_ranks_saved_other_worlds_load_equal_to_the_bit_and_go_on_with()
    {
        MpiRun.Require(MpiImplementation.OpenMpi);
        MpiRun.Require(MpiImplementation.Mpich);
        using var folder = new TemporaryFolder();
        string[] batch = ["--batch-size", "48", "--width", "64", "--checkpoint-every", "0", "--snapshot-every", "0", "--log-every", "1"];
        RankTests.Well(RankTests.Train(MpiImplementation.OpenMpi, 4, ["--run", folder.Run("four"), .. Four, .. batch, "--total-steps", "12"]));
        (string step, Dictionary<string, string> saved) = Newest(folder.Run("four"));
        double[] losses = RankTests.Losses(RankTests.Well(RankTests.Train(MpiImplementation.OpenMpi, 4, ["--run", folder.Run("on"), "--resume-from", Path.Combine(folder.Run("four"), step), .. Four, .. batch, "--total-steps", "15"])));
        losses.Length.ShouldBe(3);
        (string Name, int Ranks, string[] World)[] worlds = [("one", 1, []), ("dp4zero", 4, ["--zero"]), ("tp2", 2, ["--tp", "2"]), ("three", 3, ["--zero"])];
        Random.Shared.Shuffle(worlds);
        foreach ((string name, int ranks, string[] world) in worlds.Take(RandomFaults.Count(some: 2, all: 4)))
        {
            // All is done already: what the ranks hold after the resume is what they save.
            string[] command = ["--run", folder.Run(name), "--resume-from", Path.Combine(folder.Run("four"), step), .. world, .. batch];
            string output = RankTests.Well(RankTests.Train(MpiImplementation.Mpich, ranks, [.. command, "--total-steps", "12"]));
            output.ShouldNotContain("Not exact");
            Newest(folder.Run(name)).Parts.ShouldBe(saved, name);
            // And it trains on with the samples that come next, each once: with others the losses would be others.
            output = RankTests.Well(RankTests.Train(MpiImplementation.Mpich, ranks, [.. command, "--total-steps", "15"]));
            output.ShouldContain("batch 15/15");
            double[] own = RankTests.Losses(output);
            own.Length.ShouldBe(losses.Length, output);
            for (int i = 0; i < own.Length; i++)
                own[i].ShouldBe(losses[i], 0.002, $"{name}, batch {13 + i}");
        }
    }

    [Theory, InlineData(MpiImplementation.OpenMpi, 2, "USR1"), InlineData(MpiImplementation.Mpich, 0, "TERM")]
    public void A_signal_to_one_rank_is_a_save_by_all_at_one_step_from_which_the_restart_goes_on(MpiImplementation mpi, int rank, string signal)
    {
        MpiRun.Require(mpi);
        using var folder = new TemporaryFolder();
        string[] command = ["--run", folder.Run("run"), .. Four, "--batch-size", "16", "--width", "64", "--checkpoint-every", "0", "--snapshot-every", "0", "--log-every", "1"];
        var grace = TimeSpan.FromMinutes(5);
        using (var job = new RankJob(mpi, 4, [.. command, "--total-steps", "5000", "--stop-grace", $"{grace.TotalSeconds}"]))
        {
            job.WaitFor("batch 3/5000");
            job.Signal(rank, signal);
            job.WaitForEnd(grace).ShouldBeTrue(job.Output);
            job.Output.ShouldContain("stopped as asked");
        }
        var files = new LocalFileSystem(folder.Run("run"));
        CatalogEntry newest = Catalog.Read(files).Entries.ShouldHaveSingleItem();
        Marker marker = newest.Marker.ShouldNotBeNull();
        marker.Reason.ShouldBe(SaveReason.Signal);
        marker.World.Size.ShouldBe(4);
        Verifier.Verify(files, newest, TestContext.Current.CancellationToken).ShouldBeNull();
        // Each rank has saved its share of the optimizer.
        marker.Files.Select(file => file.Name).Where(name => name.StartsWith("optimizer", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ShouldBe(
            ["optimizer_tp0_pp0_zo0.safetensors", "optimizer_tp0_pp0_zo1.safetensors", "optimizer_tp1_pp0_zo0.safetensors", "optimizer_tp1_pp0_zo1.safetensors"]);

        string output = RankTests.Well(RankTests.Train(mpi, 4, [.. command, "--total-steps", $"{marker.Step + 3}"]));
        output.ShouldContain($"resumes at step {marker.Step} from");
        // The first batch of all made no step: its gradients were too large.
        Catalog.Read(files).Entries[0].Step.ShouldBe(marker.Step + 2);
    }

    /// <summary>The step of the newest checkpoint, and a hash of each of its parts as a whole.</summary>
    internal static (string Step, Dictionary<string, string> Parts) Newest(string run)
    {
        var files = new LocalFileSystem(run);
        CatalogEntry newest = Catalog.Read(files).Entries[0];
        Verifier.Verify(files, newest).ShouldBeNull();
        return (newest.Folder, Parts(run, newest.Folder));
    }

    /// <summary>A hash of each part of a copy as a whole. The context is none of them: it counts, and knows the run.</summary>
    internal static Dictionary<string, string> Parts(string run, string folder)
    {
        using LoadedCheckpoint checkpoint = CheckpointReader.Open(Path.Combine(run, folder));
        return checkpoint.Parts.ToDictionary(part => part, part => StateDigest.Of(Sorted(checkpoint.Load(part))), StringComparer.Ordinal);
    }

    // Files of several ranks come together in the order of the ranks.
    static StateMap Sorted(StateMap state)
    {
        var sorted = new StateMap();
        foreach ((string key, StateNode node) in state.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            sorted.Add(key, node is StateMap map ? Sorted(map) : node);
        return sorted;
    }
}
