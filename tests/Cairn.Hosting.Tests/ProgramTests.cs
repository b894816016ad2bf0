using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Cairn.Hosting.Tests;

/// <summary>What docs/hosting.md shows is compiled in Cairn.Hosting.Program, and does what it says.</summary>
public sealed partial class ProgramTests : IDisposable
{
    private const int Term = 15;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("program", "Program.cs")]
    [InlineData("training", "Regression.cs")]
    public void The_document_shows_the_code_that_is_compiled(string example, string file)
    {
        string[] lines = File.ReadAllLines(Path.Combine(Root(), "tests", "Cairn.Hosting.Program", file));
        int begins = Array.IndexOf(lines, $"// {example} begins"), ends = Array.IndexOf(lines, $"// {example} ends");
        File.ReadAllText(Path.Combine(Root(), "docs", "hosting.md")).ShouldContain($"```csharp\n{string.Join('\n', lines[(begins + 1)..ends])}\n```");
    }

    [Fact]
    public async Task A_program_that_is_terminated_saves_its_last_step_and_exits_with_zero()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), "Windows has no SIGTERM.");
        string program = Path.Combine(AppContext.BaseDirectory.Replace("Cairn.Hosting.Tests", "Cairn.Hosting.Program", StringComparison.Ordinal), "Cairn.Hosting.Program.dll");
        var start = new ProcessStartInfo("dotnet", [program, "--Checkpoints:Folder", _folder.FullName, "--Checkpoints:CheckpointEvery", "1000000", "--Checkpoints:SnapshotEvery", "0"])
        {
            UseShellExecute = false, RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        var output = new List<string>();
        while (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken) is { } line)
        {
            output.Add(line);
            if (line.Contains("step 100: loss", StringComparison.Ordinal))
                Kill(process.Id, Term).ShouldBe(0);
        }
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        process.ExitCode.ShouldBe(0, string.Join('\n', output));
        // Nothing else was due: the one copy there is the end.
        long.Parse(_folder.GetDirectories().Single(folder => folder.Name.All(char.IsAsciiDigit)).Name, null).ShouldBeGreaterThanOrEqualTo(100);
        output.ShouldContain(line => line.Contains("Told to stop by the host", StringComparison.Ordinal));
    }

    private static string Root()
    {
        string at = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(at, "Cairn.slnx")))
            at = Path.GetDirectoryName(at)!;
        return at;
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}
