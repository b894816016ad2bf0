using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace TinyLm.Tests;

/// <summary>SIGKILL at random moments, and the same command again.</summary>
public class CrashTests
{
    const int CheckpointEvery = 20;

    static readonly int Kills = RandomFaults.Count(some: 8, all: 50), KillsDuringSaves = Kills / 5;

    // More than one save makes: a kill comes anywhere in a save, or between two.
    const int MostChanges = 60;

    [Fact]
    public async Task Killed_again_and_again_and_restarted_by_the_same_command_it_saves_the_same_states()
    {
        using var folder = new TemporaryFolder();
        string[] command =
        [
            "--total-steps", "1000000", "--checkpoint-every", $"{CheckpointEvery}", "--snapshot-every", "1", "--overflow-at", "30,31,200",
            "--log-every", "1",
        ];
        int seed = Environment.TickCount;
        var random = new Random(seed);
        string run = folder.Run("killed");
        long good = 0;
        int kills = 0, during = 0;
        for (; kills < Kills || during < KillsDuringSaves; kills++)
        {
            kills.ShouldBeLessThan(Kills * 4, $"seed {seed}: only {during} kills came during a save");
            // Every other life copies its state while it computes the next batch.
            using SampleProcess sample = SampleProcess.Start(run, [.. command, .. kills % 2 == 0 ? ["--overlap"] : Array.Empty<string>()]);
            // A life begins with a batch of its own, or, two of three, with a save, so that the run goes on however fast its files are written.
            // It ends at a change of the copies' files. How long all this takes is of no account.
            await sample.WaitForAsync(random.Next(3) == 0 ? "\nbatch " : "\nSaved ");
            using (var changes = new RunChanges(run, random.Next(MostChanges), sample.KillAtOnce))
                await changes.WaitAsync(() => sample.Output);
            sample.Kill();
            string story = $"seed {seed}, kill {kills}:\n{sample.Output}";
            // What is half-written is not even a candidate: nothing is passed over, nothing refused.
            sample.Output.ShouldNotContain("Passed over", Case.Sensitive, story);
            sample.Output.ShouldNotContain("cannot be used", Case.Sensitive, story);
            during += IsSaveCutShort(run) ? 1 : 0;
            long left = Good(run);
            left.ShouldBeGreaterThanOrEqualTo(good, story);
            good = left;
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{kills} kills until step {good}, {during} of them during a save");
        good.ShouldBeGreaterThan(Kills / 10, $"seed {seed}");

        long last = (good / CheckpointEvery + 1) * CheckpointEvery;
        foreach (string path in new[] { run, folder.Run("whole") })
        {
            using SampleProcess sample = SampleProcess.Start(path, command);
            await sample.WaitForAsync($"\nSaved checkpoint {last} ");
            sample.Signal("TERM");
            (int code, string output) = sample.WaitForExit();
            code.ShouldBe(0, output);
            output.Contains("resumes at step", StringComparison.Ordinal).ShouldBe(path == run, output);
        }
        for (long step = CheckpointEvery; step <= last; step += CheckpointEvery)
            StateOf(run, step).ShouldBe(StateOf(folder.Run("whole"), step), $"seed {seed}, step {step}");
    }

    [Fact]
    public void A_crash_of_its_own_making_is_made_good_by_the_same_command()
    {
        using var folder = new TemporaryFolder();
        string[] command = ["--total-steps", "24", "--snapshot-every", "4", "--sync", "--final-digest"];
        string expected = SampleProcess.LastLine(SampleProcess.Run(folder.Run("whole"), command));
        using (SampleProcess crashing = SampleProcess.Start(folder.Run("crashed"), [.. command, "--crash-at", "15"]))
            crashing.WaitForExit().Code.ShouldBe(128 + 9);
        string output = SampleProcess.Run(folder.Run("crashed"), command);
        output.ShouldContain("resumes at step 12 from snapshot/");
        SampleProcess.LastLine(output).ShouldBe(expected);
        // And when all is done, it says so.
        string again = SampleProcess.Run(folder.Run("crashed"), command);
        again.ShouldContain("is done");
        SampleProcess.LastLine(again).ShouldBe(expected);
    }

    [Fact]
    public void Snapshots_without_an_interval_make_a_crash_good_too()
    {
        using var folder = new TemporaryFolder();
        string[] command = ["--total-steps", "24", "--width", "64", "--batch-size", "16", "--checkpoint-every", "10", "--sync", "--final-digest"];
        string expected = SampleProcess.LastLine(SampleProcess.Run(folder.Run("whole"), [.. command, "--snapshot-every", "0"]));
        using (SampleProcess crashing = SampleProcess.Start(folder.Run("crashed"), [.. command, "--snapshot-every", "auto", "--crash-at", "9"]))
            crashing.WaitForExit().Code.ShouldBe(128 + 9);
        // The first begins at once, and no checkpoint was due.
        string output = SampleProcess.Run(folder.Run("crashed"), [.. command, "--snapshot-every", "auto"]);
        output.ShouldContain("from snapshot/");
        output.ShouldContain("Saved checkpoint 20 ");
        SampleProcess.LastLine(output).ShouldBe(expected);
        using SampleProcess wrong = SampleProcess.Start(folder.Run("wrong"), "--snapshot-every", "often");
        wrong.WaitForExit().Code.ShouldBe(2);
        wrong.Output.ShouldContain("--snapshot-every cannot be 'often': type a whole number of steps, such as --snapshot-every 20, or auto.");
    }

    // Whether staging holds what was written after the newest copy was published.
    static bool IsSaveCutShort(string run)
    {
        string staging = Path.Combine(run, RunFolder.Staging) + Path.DirectorySeparatorChar;
        ILookup<bool, DateTime> written = Directory.EnumerateFiles(run, "*", SearchOption.AllDirectories)
            .Where(file => file.StartsWith(staging, StringComparison.Ordinal) || file.EndsWith(".step", StringComparison.Ordinal))
            .ToLookup(file => file.StartsWith(staging, StringComparison.Ordinal), File.GetLastWriteTimeUtc);
        return written[true].Any() && (!written[false].Any() || written[true].Max() > written[false].Max());
    }

    // The newest copy that is good to the last byte; 0 when there is none yet.
    static long Good(string run)
    {
        var files = new LocalFileSystem(run);
        return ResumeLadder.Choose(files, Catalog.Read(files), RunRecord.Load(files)!, verifyHashes: true).Chosen?.Step ?? 0;
    }

    static Dictionary<string, string> StateOf(string run, long step)
    {
        var files = new LocalFileSystem(run);
        CatalogEntry entry = CatalogEntry.At(files, RunFolder.Checkpoint(step), SaveKind.Checkpoint, step);
        Verifier.Verify(files, entry, TestContext.Current.CancellationToken).ShouldBeNull();
        Dictionary<string, string> state = RankSaveTests.Parts(run, entry.Folder);
        state.Add("train", Cairn.State.StateDigest.Of(entry.Marker!.Train));
        return state;
    }
}
