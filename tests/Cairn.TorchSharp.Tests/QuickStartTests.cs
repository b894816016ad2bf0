using QuickStartSample;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class QuickStartTests : IDisposable
{
    const string Model = "model_tp0_pp0.safetensors", Optimizer = "optimizer_tp0_pp0_zo0.safetensors";

    readonly string _folder = Directory.CreateTempSubdirectory("cairn-quick-start-").FullName;

    [Theory]
    [InlineData("README.md")]
    [InlineData("README.zh-CN.md")]
    public void The_readme_shows_the_code_that_is_compiled_here(string readme)
    {
        string[] compiled = Between(
            File.ReadAllLines(Path.Combine(Repository.Root, "tests", "Cairn.TorchSharp.Tests", "QuickStart.cs")),
            line => line.Trim() == "// quick start begins", line => line.Trim() == "// quick start ends");
        string[] shown = Between(File.ReadAllLines(Path.Combine(Repository.Root, readme)), line => line.StartsWith("long steps =", StringComparison.Ordinal), line => line == "Console.WriteLine(summary);");

        shown.ShouldNotBeEmpty();
        shown[1..].ShouldBe(Outdented(compiled));
    }

    [Fact]
    public async Task The_quick_start_saves_its_end_resumes_and_equals_the_run_that_was_not_interrupted()
    {
        string whole = Path.Combine(_folder, "whole"), resumed = Path.Combine(_folder, "resumed");
        manual_seed(5);
        await QuickStart.TrainAsync(whole, 8);

        manual_seed(5);
        (await QuickStart.TrainAsync(resumed, 5)).FinalCheckpoint.ShouldBe("5");
        // Other weights and another random state, which the resume has to replace.
        manual_seed(6);
        RunSummary summary = await QuickStart.TrainAsync(resumed, 8);

        summary.Batches.ShouldBe(8);
        summary.FinalCheckpoint.ShouldBe("8");
        foreach (string file in new[] { Model, Optimizer, "sampler_0.json", "random_0.safetensors", "context.json" })
            Bytes(resumed, file).ShouldBe(Bytes(whole, file), file);
        File.ReadAllBytes(Path.Combine(resumed, "5", Model)).ShouldNotBe(Bytes(resumed, Model));
    }

    [Fact]
    public async Task The_quick_start_of_a_run_that_is_done_trains_no_more()
    {
        await QuickStart.TrainAsync(_folder, 3);
        DateTime written = File.GetLastWriteTimeUtc(Path.Combine(_folder, "3", "3.step"));

        (await QuickStart.TrainAsync(_folder, 3)).Batches.ShouldBe(3);

        Directory.GetDirectories(_folder).Select(Path.GetFileName).Where(name => name!.All(char.IsAsciiDigit)).ShouldBe(["3"]);
        File.GetLastWriteTimeUtc(Path.Combine(_folder, "3", "3.step")).ShouldBe(written);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static byte[] Bytes(string run, string file) => File.ReadAllBytes(Path.Combine(run, "8", file));

    static string[] Between(IEnumerable<string> lines, Func<string, bool> begins, Func<string, bool> ends) =>
        [.. lines.SkipWhile(line => !begins(line)).Skip(1).TakeWhile(line => !ends(line))];

    static string[] Outdented(string[] lines)
    {
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return [.. lines.Select(line => line.Length == 0 ? line : line[indent..])];
    }
}
