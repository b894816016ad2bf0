using System.Diagnostics;

namespace Cairn.Interop.Tests;

/// <summary>
/// Runs Python scripts against the system's PyTorch. Where there is none, the calling test is skipped, and fails when <c>CI</c> is <c>true</c>.
/// <c>CAIRN_PYTHON</c> names another interpreter.
/// </summary>
internal static class Python
{
    private const string Install = "Install it with `apt-get install -y python3-torch` (see eng/install-test-needs.sh), or set CAIRN_PYTHON to an interpreter that has it.";

    private static readonly string Executable = Environment.GetEnvironmentVariable("CAIRN_PYTHON") ?? "/usr/bin/python3";
    private static readonly Lazy<string?> Missing = new(FindMissing);

    /// <summary>Runs a script of the folder <c>scripts</c> and gives what it printed. A script that fails or takes longer fails the test with its output.</summary>
    public static string Run(string script, IEnumerable<string> arguments, TimeSpan? timeout = null)
    {
        Require();
        (int exit, string output, string errors) = Start([Path.Combine(AppContext.BaseDirectory, "scripts", script), .. arguments], timeout ?? TimeSpan.FromMinutes(2));
        if (exit != 0)
            throw new InvalidOperationException($"{script} failed with exit code {exit}.\n{output}\n{errors}");
        return output;
    }

    /// <summary>Skips the calling test when there is no PyTorch, and fails it in CI.</summary>
    public static void Require()
    {
        if (Missing.Value is not string missing)
            return;
        if (string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase))
            throw new InvalidOperationException(missing);
        Assert.Skip(missing);
    }

    private static string? FindMissing()
    {
        if (!File.Exists(Executable))
            return $"There is no {Executable}. {Install}";
        (int exit, _, string errors) = Start(["-c", "import torch"], TimeSpan.FromMinutes(2));
        return exit == 0 ? null : $"{Executable} has no torch: {errors.TrimEnd()} {Install}";
    }

    private static (int Exit, string Output, string Errors) Start(IEnumerable<string> arguments, TimeSpan timeout)
    {
        var start = new ProcessStartInfo(Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        // A test machine is shared, and byte code beside the scripts is of no use.
        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(timeout))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Executable} took longer than {timeout}.");
        }
        return (process.ExitCode, output.GetAwaiter().GetResult(), errors.GetAwaiter().GetResult());
    }
}
