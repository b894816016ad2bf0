using System.Globalization;

namespace TinyLm.Tests;

/// <summary>Being told to stop: the end is saved, and the same command goes on.</summary>
public class StopTests
{
    [Theory, InlineData("TERM"), InlineData("INT"), InlineData("HUP")]
    public async Task A_signal_saves_the_step_that_was_reached_and_ends(string signal)
    {
        using var folder = new TemporaryFolder();
        using SampleProcess sample = SampleProcess.Start(folder.Run("run"), "--total-steps", "5000", "--checkpoint-every", "0", "--snapshot-every", "0");
        await sample.WaitForAsync("batch 20/");
        sample.Signal(signal);
        (int code, string output) = sample.WaitForExit();
        code.ShouldBe(0, output);
        output.ShouldContain("(signal)");
        output.ShouldContain("stopped as asked");
        long step = long.Parse(Path.GetFileName(Directory.GetDirectories(folder.Run("run")).Single(path => char.IsDigit(Path.GetFileName(path)[0]))), CultureInfo.InvariantCulture);
        output.ShouldContain($"The newest checkpoint is {step}/.");
        // What was saved does not depend on the signal.
        if (signal != "TERM")
            return;
        using SampleProcess again = SampleProcess.Start(folder.Run("run"), "--total-steps", "5000");
        await again.WaitForAsync($"resumes at step {step} from {step};");
    }

    [Fact]
    public void A_finished_run_is_done_until_more_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        string[] command = ["--total-steps", "6", "--snapshot-every", "0"];
        SampleProcess.Run(folder.Run("run"), command);
        SampleProcess.Run(folder.Run("run"), command).ShouldContain("is done: 6 batches");
        SampleProcess.Run(folder.Run("run"), "--more", "4").ShouldContain("batches 7 to 10 of");
    }

    [Fact]
    public async Task A_limit_of_the_size_of_files_fails_the_saves_and_not_the_training()
    {
        using var folder = new TemporaryFolder();
        using SampleProcess sample = SampleProcess.Start(folder.Run("run"), "--total-steps", "60", "--checkpoint-every", "30", "--snapshot-every", "0", "--log-every", "1");
        await sample.WaitForAsync("batch 5/");
        sample.LimitFileSize(65536);
        (int code, string output) = sample.WaitForExit();
        code.ShouldBe(3, output);
        output.ShouldContain("File too large");
        output.ShouldContain("batch 60/");
        output.ShouldContain("The final checkpoint of step");
    }

    [Fact]
    public void A_full_disk_under_the_log_does_not_end_training()
    {
        using var folder = new TemporaryFolder();
        SampleProcess.RunInto("/dev/full", folder.Run("run"), "--total-steps", "4", "--snapshot-every", "0", "--log-every", "1").ShouldBe(0);
        // Some of the batches were skipped.
        Directory.GetDirectories(folder.Run("run")).ShouldContain(copy => Path.GetFileName(copy).All(char.IsAsciiDigit));
    }

    [Fact]
    public async Task A_second_interrupt_ends_at_once()
    {
        using var folder = new TemporaryFolder();
        // A batch is long: the second one comes before the boundary that obeys the first.
        using SampleProcess sample = SampleProcess.Start(folder.Run("run"), "--total-steps", "5000", "--batch-size", "8192");
        await sample.WaitForTrainingAsync();
        sample.Signal("INT");
        await sample.WaitForAsync("Told to stop");
        sample.Signal("INT");
        (int code, string output) = sample.WaitForExit();
        code.ShouldNotBe(0, output);
        output.ShouldNotContain("stopped as asked");
    }

    [Fact]
    public void A_stop_file_is_obeyed_at_its_step_or_after()
    {
        using var folder = new TemporaryFolder();
        string stop = folder.Run("stop");
        File.WriteAllText(stop, "+7");
        string output = SampleProcess.Run(folder.Run("run"), "--total-steps", "40", "--stop-file", stop);
        output.ShouldContain("Saved checkpoint 7 (stop)");
        output.ShouldContain("stopped as asked");
        // The old command does not stop the restart.
        output = SampleProcess.Run(folder.Run("run"), "--total-steps", "16", "--stop-file", stop);
        output.ShouldContain("resumes at step 7");
        output.ShouldContain("done.");
    }

    [Fact]
    public async Task Another_stop_file_does_not_end_the_run()
    {
        using var folder = new TemporaryFolder();
        string stop = folder.Run("stop");
        File.WriteAllText(stop, "-5");
        using SampleProcess sample = SampleProcess.Start(folder.Run("run"), "--total-steps", "1000000", "--checkpoint-every", "0", "--snapshot-every", "0", "--log-every", "1", "--stop-file", stop);
        await sample.WaitForAsync("Saved checkpoint 5 (manual)");
        foreach ((string text, string expected) in new[] { ("", "The stop file is empty"), ("soon", "which is not a step"), ("0", "\nbatch ") })
        {
            File.WriteAllText(stop, text);
            await sample.WaitForAsync(expected);
            await sample.WaitForAsync("\nbatch ", sample.Output.Split("\nbatch ").Length + 20);
        }
        // Any step that has passed ends it.
        File.WriteAllText(stop, "1");
        (int code, string output) = sample.WaitForExit();
        code.ShouldBe(0, output);
        output.ShouldContain("stopped as asked");
    }

    [Fact]
    public async Task A_second_process_on_the_run_is_refused_and_told_by_whom()
    {
        using var folder = new TemporaryFolder();
        using SampleProcess first = SampleProcess.Start(folder.Run("run"), "--total-steps", "5000");
        await first.WaitForTrainingAsync();
        using SampleProcess second = SampleProcess.Start(folder.Run("run"), "--total-steps", "5000");
        (int code, string output) = second.WaitForExit();
        code.ShouldBe(3, output);
        output.ShouldContain(first.Id.ToString(CultureInfo.InvariantCulture));
        output.ShouldContain(Environment.MachineName);
    }

    [Fact]
    public void A_wrong_option_says_what_to_type()
    {
        using var folder = new TemporaryFolder();
        using SampleProcess sample = SampleProcess.Start(folder.Run("run"), "--total-steps", "many");
        (int code, string output) = sample.WaitForExit();
        code.ShouldBe(2, output);
        output.ShouldContain("--total-steps 100");
    }
}
