using System.Diagnostics;

namespace Cairn.Telemetry.Tests;

/// <summary>Prometheus' own checker. Tests that need it are skipped where it is missing, and fail in CI.</summary>
internal static class Promtool
{
    private const string Missing = "There is no promtool. Install it with `apt-get install -y prometheus` (see eng/install-test-needs.sh).";

    /// <summary>Runs it, and gives its exit code and all that it says.</summary>
    public static async Task<(int Code, string Said)> RunAsync(string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo("promtool", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using Process process = Start(start);
        Task<string> told = process.StandardOutput.ReadToEndAsync(), wrong = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, await told + await wrong);
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            Assert.SkipWhen(Environment.GetEnvironmentVariable("CI") is null, Missing);
            throw new InvalidOperationException(Missing, e);
        }
    }
}
