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

    // Completed and replaced at each line, and completed at the end of both streams.
    TaskCompletionSource _news = NewNews();
    int _openStreams = 2;

    SampleProcess(IEnumerable<string> arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "TinyLm.dll");
        _process = new Process
        {
            // Started by nohup or in the background, the tests hand down signals that are ignored.
            StartInfo = new ProcessStartInfo("env", ["--default-signal", "dotnet", program, .. Small(arguments)]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false },
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

    /// <summary>Waits until it begins to train.</summary>
    public Task WaitForTrainingAsync() => WaitForAsync("\nrun ");

    /// <summary>Waits until the output holds this text so often. A process that ends before fails the test.</summary>
    public async Task WaitForAsync(string text, int times = 1)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (true)
        {
            (Task news, bool ended) = Listen();
            if ($"\n{Output}".Split(text).Length > times)
                return;
            ended.ShouldBeFalse($"it ended before '{text}' came {times} times:\n{Output}");
            try
            {
                await news.WaitAsync(timeout.Token);
            }
            catch (OperationCanceledException e)
            {
                throw new TimeoutException($"'{text}' does not come {times} times within {Patience}:\n{Output}", e);
            }
        }
    }

    public (int Code, string Output) WaitForExit()
    {
        _process.WaitForExit(Patience).ShouldBeTrue($"it does not end within {Patience}:\n{Output}");
        _process.WaitForExit();
        return (_process.ExitCode, Output);
    }

    /// <summary>Sends SIGKILL and waits for the end. Nothing happens when it has ended already.</summary>
    public void Kill()
    {
        KillAtOnce();
        _process.WaitForExit();
    }

    /// <summary>Sends SIGKILL, from whatever thread.</summary>
    public void KillAtOnce() => _process.Kill();

    /// <summary>Runs the sample with its output going to a file, and gives its exit code.</summary>
    public static int RunInto(string output, string run, params string[] arguments)
    {
        string command = string.Join(' ', ((string[])["dotnet", Path.Combine(AppContext.BaseDirectory, "TinyLm.dll"), "--run", run, .. arguments]).Select(word => $"'{word}'"));
        using Process shell = Process.Start("sh", ["-c", $"exec {command} > '{output}' 2>&1"]);
        if (!shell.WaitForExit(Patience))
            shell.Kill();
        return shell.ExitCode;
    }

    /// <summary>Lets the process write no file longer than this, as <c>ulimit -f</c> does.</summary>
    public void LimitFileSize(long bytes)
    {
        using Process limit = Process.Start("prlimit", [string.Create(System.Globalization.CultureInfo.InvariantCulture, $"--pid={_process.Id}"), string.Create(System.Globalization.CultureInfo.InvariantCulture, $"--fsize={bytes}")]);
        limit.WaitForExit();
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

    // How much it learns is of no account here: a step of a small batch through a narrow model takes a fiftieth of the time.
    static string[] Small(IEnumerable<string> arguments)
    {
        string[] all = [.. arguments];
        return [.. all, .. Unless("--batch-size", "16"), .. Unless("--width", "64"), .. Unless("--evaluate", "0")];

        string[] Unless(string option, string value) => all.Contains(option) ? [] : [option, value];
    }

    (Task News, bool Ended) Listen()
    {
        lock (_gate)
            return (_news.Task, _openStreams == 0);
    }

    void Note(string? line)
    {
        TaskCompletionSource news;
        lock (_gate)
        {
            if (line is null)
                _openStreams--;
            else
                _output.Append(line).Append('\n');
            (news, _news) = (_news, NewNews());
        }
        news.SetResult();
    }

    static TaskCompletionSource NewNews() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>A folder that goes when the test ends.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cairn-tinylm-").FullName;

    public string Run(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
