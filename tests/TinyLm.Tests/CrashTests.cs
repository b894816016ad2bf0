namespace TinyLm.Tests;

/// <summary>SIGKILL at random moments, and the same command again.</summary>
public class CrashTests
{
    const int Kills = 50;

    [Fact]
    public async Task Killed_fifty_times_and_restarted_by_the_same_command_it_ends_in_the_same_state()
    {
        using var folder = new TemporaryFolder();
        string[] command = ["--total-steps", "400", "--checkpoint-every", "10", "--snapshot-every", "1", "--overflow-at", "30,31,200", "--final-digest"];
        string expected = SampleProcess.LastLine(SampleProcess.Run(folder.Run("whole"), command));
        expected.ShouldStartWith("final digest ");

        int seed = Environment.TickCount;
        var random = new Random(seed);
        string run = folder.Run("killed");
        int kills = 0;
        while (kills < Kills)
        {
            using SampleProcess sample = SampleProcess.Start(run, command);
            await sample.WaitForTrainingAsync();
            await Task.Delay(random.Next(20, 900), TestContext.Current.CancellationToken);
            if (sample.HasExited)
                break;
            sample.Kill();
            kills++;
            // What is half-written is not even a candidate: nothing is passed over, nothing refused.
            sample.Output.ShouldNotContain("Passed over", Case.Sensitive, $"seed {seed}, kill {kills}");
            sample.Output.ShouldNotContain("cannot be used", Case.Sensitive, $"seed {seed}, kill {kills}");
        }
        kills.ShouldBe(Kills, "the run ended before all kills were made: give it more steps");
        string output = SampleProcess.Run(run, command);
        output.ShouldContain("resumes at step");
        SampleProcess.LastLine(output).ShouldBe(expected, $"seed {seed}");
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
}
