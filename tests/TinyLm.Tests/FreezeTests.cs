using System.Text.Json;

namespace TinyLm.Tests;

/// <summary>A fine-tune of which 99 % of the weights are frozen.</summary>
public class FreezeTests
{
    [Fact]
    public void From_the_second_save_on_it_writes_two_hundredths_of_the_bytes_and_goes_on_bit_for_bit_after_a_kill()
    {
        using var folder = new TemporaryFolder();
        string[] small = ["--width", "176", "--batch-size", "8", "--evaluate", "0", "--snapshot-every", "0"];
        SampleProcess.Run(folder.Run("base"), [.. small, "--total-steps", "2"]);
        string[] tune = [.. small, "--resume-from", folder.Run("base"), "--freeze", "tok_embeddings*", "--freeze", "layers.*", "--total-steps", "9", "--checkpoint-every", "2", "--final-digest"];
        string whole = SampleProcess.Run(folder.Run("whole"), tune);
        string killed = folder.Run("killed");
        using (SampleProcess sample = SampleProcess.Start(killed, [.. tune, "--crash-at", "7"]))
            sample.WaitForExit().Code.ShouldNotBe(0);
        string again = SampleProcess.Run(killed, tune);
        SampleProcess.LastLine(again).ShouldBe(SampleProcess.LastLine(whole));
        foreach (string run in (string[])[folder.Run("whole"), killed])
        {
            JsonElement[] saves = [.. File.ReadLines(Path.Combine(run, "journal.jsonl")).Select(line => JsonDocument.Parse(line).RootElement).Where(line => line.GetProperty("event").GetString() == "saved")];
            saves.Length.ShouldBeGreaterThanOrEqualTo(4);
            saves[0].TryGetProperty("shared_bytes", out _).ShouldBeFalse("nothing is there to share");
            foreach (JsonElement save in saves[1..])
            {
                long bytes = save.GetProperty("bytes").GetInt64();
                (bytes - save.GetProperty("shared_bytes").GetInt64()).ShouldBeLessThanOrEqualTo(bytes / 50, save.ToString());
            }
        }
    }

    [Fact]
    public void A_name_that_no_parameter_has_is_refused()
    {
        using var folder = new TemporaryFolder();
        using SampleProcess sample = SampleProcess.Start(folder.Run("run"), "--freeze", "layer.*");
        (int code, string output) = sample.WaitForExit();
        code.ShouldBe(3, output);
        output.ShouldContain("--freeze layer.*: no parameter has such a name. They are tok_embeddings.weight");
    }
}
