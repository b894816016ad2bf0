namespace TinyLm.Tests;

/// <summary>The newest copy is damaged: the next good one is taken, and the user is told why.</summary>
public class DamageTests
{
    [Fact]
    public void A_flipped_bit_is_named_and_the_next_good_copy_is_taken()
    {
        using var folder = new TemporaryFolder();
        string run = folder.Run("run");
        SampleProcess.Run(run, "--total-steps", "12", "--checkpoint-every", "5", "--snapshot-every", "0", "--sync");
        string newest = Directory.GetDirectories(run).Where(path => char.IsDigit(Path.GetFileName(path)[0])).OrderByDescending(path => int.Parse(Path.GetFileName(path), System.Globalization.CultureInfo.InvariantCulture)).First();
        string model = Path.Combine(newest, "model_tp0_pp0.safetensors");
        byte[] bytes = File.ReadAllBytes(model);
        bytes[^1000] ^= 0x10;
        File.WriteAllBytes(model, bytes);

        string output = SampleProcess.Run(run, "--total-steps", "14", "--checkpoint-every", "5", "--snapshot-every", "0");
        output.ShouldContain($"Passed over: {Path.GetFileName(newest)}/model_tp0_pp0.safetensors: the file was altered");
        output.ShouldContain("resumes at step 10 from 10;");
        File.ReadAllBytes(model).ShouldBe(bytes, "it is left for inspection");
    }

    [Fact]
    public void An_older_step_needs_a_branch_and_what_is_left_behind_does_not_win()
    {
        using var folder = new TemporaryFolder();
        string run = folder.Run("run");
        string[] options = ["--checkpoint-every", "5", "--snapshot-every", "0", "--sync"];
        SampleProcess.Run(run, [.. options, "--total-steps", "16"]);
        using (SampleProcess refused = SampleProcess.Start(run, [.. options, "--total-steps", "16", "--resume-from", "5"]))
        {
            (int code, string output) = refused.WaitForExit();
            code.ShouldBe(3, output);
            output.ShouldContain("name the new branch");
        }
        string[] branch = [.. options, "--total-steps", "9", "--resume-from", "5", "--branch", "again"];
        SampleProcess.Run(run, branch).ShouldContain("resumes at step 5 from 5;");
        // The same command line restarts what it started.
        SampleProcess.Run(run, branch).ShouldContain("is done");
        Directory.Exists(Path.Combine(run, "10")).ShouldBeTrue();
    }
}
