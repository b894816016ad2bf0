using System.Diagnostics;

namespace TinyLm.Tests;

public class DeterminismTests
{
    [Fact]
    public void Two_runs_with_one_seed_end_in_the_same_state()
    {
        string first = LastLine("--run", Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N")), "--total-steps", "3", "--overflow-at", "2", "--final-digest");
        first.ShouldNotBeEmpty();
        LastLine("--run", Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N")), "--total-steps", "3", "--overflow-at", "2", "--final-digest").ShouldBe(first);
        LastLine("--run", Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N")), "--total-steps", "3", "--final-digest").ShouldNotBe(first, StringComparer.Ordinal);
    }

    static string LastLine(params string[] arguments)
    {
        string sample = Path.Combine(AppContext.BaseDirectory, "TinyLm.dll");
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [sample, .. arguments]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        process.ExitCode.ShouldBe(0, output);
        return output.TrimEnd().Split('\n')[^1];
    }
}
