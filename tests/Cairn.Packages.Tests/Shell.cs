using System.Diagnostics;
using System.Text;

namespace Cairn.Packages.Tests;

/// <summary>A shell script that runs beside the test, in a folder and with variables of its own. Disposal ends it with all that it started.</summary>
internal sealed class Shell : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private readonly Process _process;
    private readonly StringBuilder _output = new();

    public Shell(string folder, IReadOnlyDictionary<string, string> variables, string script)
    {
        _process = new Process
        {
            StartInfo = new ProcessStartInfo("bash", ["-euc", script])
            {
                WorkingDirectory = folder, UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            },
        };
        // What a build hands down to its children would change the builds of these.
        foreach (string name in _process.StartInfo.Environment.Keys.Where(name => name.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase)).ToList())
            _process.StartInfo.Environment.Remove(name);
        _process.StartInfo.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = _process.StartInfo.Environment["DOTNET_NOLOGO"] = "1";
        _process.StartInfo.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        foreach ((string name, string value) in variables)
            _process.StartInfo.Environment[name] = value;
        _process.OutputDataReceived += (_, line) => Note(line.Data);
        _process.ErrorDataReceived += (_, line) => Note(line.Data);
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Both streams so far.</summary>
    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public bool HasExited => _process.HasExited;

    /// <summary>Runs to the end, which must be good, and gives what was printed.</summary>
    public static string Run(string folder, IReadOnlyDictionary<string, string> variables, string script)
    {
        using var shell = new Shell(folder, variables, script);
        shell._process.WaitForExit(Patience).ShouldBeTrue($"{script}\n{shell.Output}");
        shell._process.WaitForExit();
        shell._process.ExitCode.ShouldBe(0, $"{script}\n{shell.Output}");
        return shell.Output;
    }

    /// <summary>Waits until a file is there; the script must not have ended before.</summary>
    public void AwaitFile(string path)
    {
        long start = Stopwatch.GetTimestamp();
        using var pause = new ManualResetEventSlim();
        while (!File.Exists(path))
        {
            HasExited.ShouldBeFalse(Output);
            Stopwatch.GetElapsedTime(start).ShouldBeLessThan(Patience, Output);
            pause.Wait(TimeSpan.FromMilliseconds(2));
        }
    }

    /// <summary>Ends it and all that it started with SIGKILL.</summary>
    public void Kill()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    // Nothing at the end of a stream, which is no line: which of the two ends first is by chance.
    private void Note(string? line)
    {
        if (line is null)
            return;
        lock (_output)
            _output.AppendLine(line);
    }
}
