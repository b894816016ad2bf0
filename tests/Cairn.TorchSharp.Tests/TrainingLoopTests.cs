using Cairn.Opening;
using TrainingLoopSample;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>The page about training loops shows what is compiled, and that does what the page says.</summary>
public sealed class TrainingLoopTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("cairn-loop-").FullName;

    [Fact]
    public void The_page_shows_the_code_that_is_compiled_here()
    {
        string[] compiled = [.. File.ReadAllLines(Path.Combine(Repository.Root, "tests", "Cairn.TorchSharp.Tests", "TrainingLoop.cs"))
            .SkipWhile(line => line.Trim() != "// training loop begins").Skip(1).TakeWhile(line => line.Trim() != "// training loop ends")];
        string[] shown = [.. File.ReadAllLines(Path.Combine(Repository.Root, "docs", "training-loops.md")).SkipWhile(line => line != "```csharp").Skip(1).TakeWhile(line => line != "```")];
        shown.ShouldBe(compiled.Where(line => !line.Contains("only the test", StringComparison.Ordinal) && !line.Contains("RequestStop", StringComparison.Ordinal)).Select(line => line.Length < 8 ? line : line[8..]));
    }

    // Stopped before and after the unfreezing, at the end of an epoch (step 8) and in the middle of the patience.
    [Fact]
    public async Task Stopped_anywhere_and_started_again_it_makes_the_same_weights_and_stops_at_the_same_step()
    {
        string whole = Path.Combine(_folder, "whole"), parts = Path.Combine(_folder, "parts");
        manual_seed(5);
        RunSummary once = await TrainingLoop.TrainAsync(whole, 60);
        (once.IsBestLoaded, once.SkipsByReason.Count).ShouldBe((true, 0));
        once.Steps.ShouldBeInRange(28, 60 * 8 - 1, "it stops early, and after the last of the stops");
        manual_seed(5);
        RunSummary last = null!;
        foreach (long stop in (long[])[3, 8, 10, 11, 27, long.MaxValue])
        {
            last = await TrainingLoop.TrainAsync(parts, 60, step => step == stop);
            manual_seed(stop);
        }
        (last.Steps, last.Best).ShouldBe((once.Steps, once.Best));
        foreach (string file in (string[])["model_tp0_pp0.safetensors", "optimizer_tp0_pp0_zo0.safetensors", "sampler_0.json", "early_stopping.json", "context.json"])
            File.ReadAllBytes(Path.Combine(parts, $"{once.Steps}", file)).ShouldBe(File.ReadAllBytes(Path.Combine(whole, $"{once.Steps}", file)), file);
        File.ReadAllText(Path.Combine(parts, "best.json")).ShouldContain($"\"step\": {once.Best!.Step},");
        // Both groups are there at the end, and the first copies had one.
        using var read = CheckpointReader.Open(Path.Combine(whole, $"{once.Steps}"));
        ((Cairn.State.StateList)read.Load("optimizer")["groups"]).Count.ShouldBe(2);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
