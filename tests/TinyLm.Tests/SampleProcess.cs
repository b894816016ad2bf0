using System.Diagnostics;
using System.Text;

namespace TinyLm.Tests;

/// <summary>The sample as a process of its own, in a run folder of its own.</summary>
internal sealed class SampleProcess : IDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    readonly Process _process;
    readonly StringBuilder _output = new();
    readonly Lock _gate = new();
    readonly TaskCompletionSource _training = new(TaskCreationOptions.RunContinuationsAsynchronously);

    SampleProcess(IEnumerable<string> arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "TinyLm.dll");
        _process = new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", [program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false },
        };
        _process.OutputDataReceived += (_, line) => Note(line.Data);
        _process.ErrorDataReceived += (_, line) => Note(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Output
    {
        get
        {
            lock (_gate)
                return _output.ToString();
        }
    }

    public int Id => _process.Id;
    public bool HasExited => _process.HasExited;

    public static SampleProcess Start(string run, params string[] arguments) => new(["--run", run, .. arguments]);

    /// <summary>Runs to the end and gives all that was printed.</summary>
    public static string Run(string run, params string[] arguments)
    {
        using SampleProcess sample = Start(run, arguments);
        (int code, string output) = sample.WaitForExit();
        code.ShouldBe(0, output);
        return output;
    }

    public static string LastLine(string output) => output.TrimEnd().Split('\n')[^1];

    /// <summary>Waits until the first batch is drawn.</summary>
    public async Task WaitForTrainingAsync() => await Task.WhenAny(_training.Task, _process.WaitForExitAsync()).WaitAsync(Patience);

    /// <summary>Waits until a line holds this text.</summary>
    public async Task WaitForAsync(string text)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (!Output.Contains(text, StringComparison.Ordinal) && !_process.HasExited)
            await Task.Delay(20, timeout.Token);
        Output.ShouldContain(text);
    }

    public (int Code, string Output) WaitForExit()
    {
        _process.WaitForExit(Patience).ShouldBeTrue(Output);
        _process.WaitForExit();
        return (_process.ExitCode, Output);
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            Kill();
        _process.Dispose();
    }

    void Note(string? line)
    {
        if (line is null)
            return;
        lock (_gate)
            _output.Append(line).Append('\n');
        if (line.StartsWith("run ", StringComparison.Ordinal))
            _training.TrySetResult();
    }
}

/// <summary>A folder that goes when the test ends.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cairn-tinylm-").FullName;

    public string Run(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
