using System.Diagnostics;
using System.Text;

namespace Cairn.Pages.Tests;

/// <summary>A process that trains a run (<c>Cairn.Pages.Program</c>).</summary>
internal sealed class Trainer : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly TaskCompletionSource _trains = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Trainer(string folder, long steps, string[] given)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Cairn.Pages.Program.dll"), folder, steps.ToString(System.Globalization.CultureInfo.InvariantCulture), .. given]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        // One that is killed leaves no dump behind.
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, line) => Note(line.Data);
        _process.ErrorDataReceived += (_, line) => Note(line.Data);
        _process.Exited += (_, _) => _trains.TrySetResult();
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Starts it, and is back when it trains.</summary>
    public static async Task<Trainer> StartAsync(string folder, long steps, params string[] given)
    {
        var trainer = new Trainer(folder, steps, given);
        await trainer._trains.Task.WaitAsync(Patience);
        return trainer;
    }

    /// <summary>Trains to the end, or up to where the process kills itself.</summary>
    public static void Run(string folder, long steps, params string[] given)
    {
        using var trainer = new Trainer(folder, steps, given);
        trainer.WaitForTheEnd();
        trainer._output.ToString().ShouldContain("begins ", Case.Sensitive);
    }

    public void Kill()
    {
        _process.Kill();
        WaitForTheEnd();
    }

    public void WaitForTheEnd()
    {
        _process.WaitForExit(Patience).ShouldBeTrue($"it does not end within {Patience}: {_output}");
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    private void Note(string? line)
    {
        // The end of a stream is no line.
        if (line is null)
            return;
        lock (_output)
            _output.AppendLine(line);
        if (line.StartsWith("begins ", StringComparison.Ordinal))
            _trains.TrySetResult();
    }
}
