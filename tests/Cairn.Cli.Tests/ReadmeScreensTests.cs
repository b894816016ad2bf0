using System.Text.RegularExpressions;
using Cairn.Cli.Tests.Samples;
using Cairn.State;

namespace Cairn.Cli.Tests;

/// <summary>
/// The screens in docs/command.md are what the commands print. A comment there names the command; it is run on a terminal, in a folder of examples, and the block behind
/// the comment must be what it shows. <c>eng/screens.sh</c> writes the blocks anew.
/// </summary>
public sealed partial class ReadmeScreensTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_screens_in_the_documentation_are_what_the_commands_print()
    {
        Prepare();
        var screens = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in new[] { "docs/command.md", "docs/command.zh-CN.md" })
        {
            string path = Path.Combine(Golden.Repository, name), text = File.ReadAllText(path);
            string now = Screen().Replace(text, match =>
            {
                string command = match.Groups["command"].Value;
                if (!screens.TryGetValue(command, out string? shown))
                    screens.Add(command, shown = Show(command));
                return $"<!-- screen: cairn {command} -->\n```console\n$ cairn {command}\n{shown}```\n<!-- /screen -->";
            });
            if (Golden.Updates)
                File.WriteAllText(path, now);
            text.ShouldBe(Golden.Updates ? text : now, $"The screens in {name} are old: run eng/screens.sh.");
        }
        screens.Count.ShouldBeGreaterThanOrEqualTo(3);
    }

    private string Show(string command)
    {
        string shown = CairnProcess.RunOnTerminalIn(_folder.Path, new Dictionary<string, string>(StringComparer.Ordinal) { ["NO_COLOR"] = "1" }, command.Split(' ')).Out;
        string plain = Escape().Replace(shown.ReplaceLineEndings("\n"), "");
        return string.Concat(plain.TrimEnd().Split('\n').Select(line => line.TrimEnd() + "\n"));
    }

    // A run whose second checkpoint lost a file, and the log and folder of a run of InternLM in which a batch overflowed.
    private void Prepare()
    {
        StateMap ModelAt(long step) => new() { ["tok_embeddings.weight"] = Weights([4096, 128], step), ["layers.0.attention.wqkv.weight"] = Weights([384, 128], step), ["norm.weight"] = Weights([128], 0) };
        var run = new SampleRun(_folder["runs/tinylm"]);
        run.Checkpoint(1000, TimeSpan.FromHours(26), model: ModelAt(1000));
        run.Checkpoint(2000, TimeSpan.FromHours(14), model: ModelAt(2000));
        run.Checkpoint(3000, TimeSpan.FromHours(3.5), model: ModelAt(3000));
        run.Snapshot(3200, TimeSpan.FromMinutes(138), ModelAt(3200));
        run.Snapshot(3400, TimeSpan.FromMinutes(66), ModelAt(3400));
        File.Delete(run.PathOf("2000/scheduler.json"));

        SampleFolders.ReportedCase(_folder.Path);
    }

    // Rounded, so that no mathematics library of a machine shows.
    private static MemoryTensor Weights(long[] shape, long step) => SampleState.Singles(shape, i => Math.Round(Math.Sin(i * 0.37) + (i % 7 == 0 ? step * 1e-5 : 0), 3));

    [GeneratedRegex(@"<!-- screen: cairn (?<command>[^\n]+) -->\n.*?<!-- /screen -->", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Screen();

    [GeneratedRegex(@"\e(\[[0-9;?]*[A-Za-z]|=|>)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Escape();
}
