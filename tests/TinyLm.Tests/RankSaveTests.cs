using Cairn.Commit;
using Cairn.Layouts;
using Cairn.Mpi;
using Cairn.Mpi.Tests;
using Cairn.Policies;
using Cairn.Resume;
using Cairn.State;
using Cairn.Storage;

namespace TinyLm.Tests;

/// <summary>Several ranks save and resume, under the real launchers of both MPIs.</summary>
public class RankSaveTests
{
    const string Program = "TinyLm";

    static readonly string[] Four = ["--tp", "2", "--dp", "2", "--zero"];

    [Theory, InlineData(MpiImplementation.OpenMpi), InlineData(MpiImplementation.Mpich)]
    public void Four_ranks_killed_and_resumed_equal_four_that_were_not_bit_for_bit(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        using var folder = new TemporaryFolder();
        string[] command = [.. Four, "--total-steps", "24", "--checkpoint-every", "10", "--snapshot-every", "4", "--overflow-at", "7", "--final-digest"];
        string whole = RankTests.Well(MpiRun.Run(mpi, 4, Program, ["--run", folder.Run("whole"), .. command]));
        MpiRun.Run(mpi, 4, Program, ["--run", folder.Run("killed"), .. command, "--crash-at", "16"]).Code.ShouldNotBe(0);
        string resumed = RankTests.Well(MpiRun.Run(mpi, 4, Program, ["--run", folder.Run("killed"), .. command]));
        resumed.ShouldContain("resumes at step");
        RankTests.Digest(resumed).ShouldBe(RankTests.Digest(whole));
    }

    [Fact]
    public void What_four_ranks_saved_other_worlds_load_equal_to_the_bit_and_go_on_with()
    {
        MpiRun.Require(MpiImplementation.OpenMpi);
        MpiRun.Require(MpiImplementation.Mpich);
        using var folder = new TemporaryFolder();
        string[] batch = ["--batch-size", "96", "--checkpoint-every", "0", "--snapshot-every", "0", "--log-every", "1"];
        RankTests.Well(MpiRun.Run(MpiImplementation.OpenMpi, 4, Program, ["--run", folder.Run("four"), .. Four, .. batch, "--total-steps", "12"]));
        (string step, IReadOnlyDictionary<string, string> saved) = Newest(folder.Run("four"));
        foreach ((string name, int ranks, string[] world) in new (string, int, string[])[]
            { ("one", 1, []), ("dp4", 4, []), ("dp4zero", 4, ["--zero"]), ("tp2", 2, ["--tp", "2"]), ("three", 3, ["--zero"]) })
        {
            // All is done already: what the ranks hold after the resume is what they save.
            string[] command = ["--run", folder.Run(name), "--resume-from", Path.Combine(folder.Run("four"), step), .. world, .. batch];
            string output = RankTests.Well(MpiRun.Run(MpiImplementation.Mpich, ranks, Program, [.. command, "--total-steps", "12"]));
            output.ShouldNotContain("Not exact");
            Newest(folder.Run(name)).Parts.ShouldBe(saved, name);
            // And it trains on: every sample once, at losses that do not jump.
            output = RankTests.Well(MpiRun.Run(MpiImplementation.Mpich, ranks, Program, [.. command, "--total-steps", "15"]));
            output.ShouldContain("batch 15/15");
        }
    }

    [Theory, InlineData(MpiImplementation.OpenMpi, "USR1"), InlineData(MpiImplementation.Mpich, "TERM")]
    public void A_signal_to_one_rank_is_a_save_by_all_at_one_step(MpiImplementation mpi, string signal)
    {
        MpiRun.Require(mpi);
        using var folder = new TemporaryFolder();
        using var job = new RankJob(mpi, 4, ["--run", folder.Run("run"), .. Four, "--total-steps", "5000", "--checkpoint-every", "0", "--snapshot-every", "0", "--log-every", "1", "--stop-grace", "60"]);
        job.WaitFor("batch 3/5000");
        job.Signal(2, signal);
        job.WaitForEnd(TimeSpan.FromSeconds(60)).ShouldBeTrue(job.Output);
        job.Output.ShouldContain("stopped as asked");
        CatalogEntry newest = Catalog.Read(new LocalFileSystem(folder.Run("run"))).Entries[0];
        newest.Marker.ShouldNotBeNull().Reason.ShouldBe(SaveReason.Signal);
        Verifier.Verify(new LocalFileSystem(folder.Run("run")), newest, TestContext.Current.CancellationToken).ShouldBeNull();
    }

    /// <summary>The step of the newest checkpoint, and a hash of each of its parts as a whole.</summary>
    internal static (string Step, IReadOnlyDictionary<string, string> Parts) Newest(string run)
    {
        var files = new LocalFileSystem(run);
        CatalogEntry newest = Catalog.Read(files).Entries[0];
        Verifier.Verify(files, newest).ShouldBeNull();
        using LoadedCheckpoint checkpoint = CheckpointReader.Open(Path.Combine(run, newest.Folder));
        // The context counts, and knows the run; all else is state.
        return (newest.Folder, checkpoint.Parts.ToDictionary(part => part, part => StateDigest.Of(Sorted(checkpoint.Load(part))), StringComparer.Ordinal));
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
