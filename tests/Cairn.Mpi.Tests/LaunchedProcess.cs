using System.Diagnostics;
using System.Text;

namespace Cairn.Mpi.Tests;

/// <summary>A process that runs beside the test. Disposal ends it with all that it started.</summary>
internal sealed class LaunchedProcess : IDisposable
{
    private readonly StringBuilder _output = new();
    private readonly Process _process;

    public LaunchedProcess(IReadOnlyList<string> command, params (string Name, string Value)[] variables)
    {
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false },
        };
        foreach ((string name, string value) in variables)
            _process.StartInfo.Environment[name] = value;
        _process.OutputDataReceived += (_, line) => Note(line.Data);
        _process.ErrorDataReceived += (_, line) => Note(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public bool HasExited => _process.HasExited;

    /// <summary>Both streams so far.</summary>
    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    /// <summary>Waits for its end and gives its exit code; null when it does not come in this time.</summary>
    public int? WaitForExit(TimeSpan time)
    {
        if (!_process.WaitForExit(time))
            return null;
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private void Note(string? line)
    {
        // The end of a stream is no line.
        if (line is null)
            return;
        lock (_output)
            _output.AppendLine(line);
    }
}
