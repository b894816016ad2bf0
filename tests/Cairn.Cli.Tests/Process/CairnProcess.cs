using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Cairn.Cli.Tests;

/// <summary>The real program as a process: in a pipe, or on a pseudo-terminal.</summary>
internal sealed class CairnProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5), Look = TimeSpan.FromMilliseconds(20);
    internal static readonly string Program = Path.Combine(AppContext.BaseDirectory, "Cairn.Cli.dll");

    private readonly Process _process;
    private readonly StringBuilder _out = new(), _error = new();

    private CairnProcess(ProcessStartInfo start, bool colour = true)
    {
        if (colour)
            start.Environment.Remove("NO_COLOR");
        start.RedirectStandardOutput = start.RedirectStandardError = start.RedirectStandardInput = true;
        start.UseShellExecute = false;
        start.Environment["TERM"] = "xterm-256color";
        // It lives too short to earn back what the runtime spends on watching it.
        start.Environment["DOTNET_TieredPGO"] = "0";
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Append(_out, line.Data);
        _process.ErrorDataReceived += (_, line) => Append(_error, line.Data);
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Out => Read(_out);

    /// <summary>Runs to the end in a pipe.</summary>
    public static Result Run(params string[] arguments) => RunIn(null, arguments);

    /// <summary>Runs to the end in a pipe and another folder.</summary>
    public static Result RunIn(string? folder, params string[] arguments)
    {
        using CairnProcess process = Start(folder, arguments);
        return process.WaitForExit();
    }

    /// <summary>Starts in a pipe.</summary>
    public static CairnProcess Start(string? folder, params string[] arguments) =>
        new(new ProcessStartInfo("dotnet", [Program, .. arguments]) { WorkingDirectory = folder ?? "" });

    /// <summary>Runs to the end on a pseudo-terminal of 110 columns; what comes out there is in <see cref="Result.Out"/>.</summary>
    public static Result RunOnTerminal(IReadOnlyDictionary<string, string>? environment, params string[] arguments) => RunOnTerminalIn(null, environment, arguments);

    /// <summary>The same in another folder.</summary>
    public static Result RunOnTerminalIn(string? folder, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        using CairnProcess process = StartOnTerminal(folder, environment, arguments);
        return process.WaitForExit();
    }

    /// <summary>Starts on such a pseudo-terminal.</summary>
    public static CairnProcess StartOnTerminal(string? folder, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        string command = "stty cols 110 rows 40; exec dotnet " + string.Join(' ', arguments.Prepend(Program).Select(Quoted));
        var start = new ProcessStartInfo("script", ["-qfec", command, "/dev/null"]) { WorkingDirectory = folder ?? "" };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>(StringComparer.Ordinal))
            start.Environment[name] = value;
        return new CairnProcess(start, colour: environment?.ContainsKey("NO_COLOR") != true);
    }

    /// <summary>Runs a script in a shell that finds the program as <c>cairn</c>.</summary>
    public static Result RunShell(string shell, params string[] arguments)
    {
        using var folder = new ProgramFolder();
        var start = new ProcessStartInfo(shell, arguments);
        folder.AddTo(start);
        using var process = new CairnProcess(start);
        return process.WaitForExit();
    }

    public void Interrupt() => Signal("INT");

    public void Terminate() => Signal("TERM");

    /// <summary>Ends it at once, whatever it does.</summary>
    public void Kill()
    {
        _process.Kill();
        WaitForExit();
    }

    private void Signal(string name)
    {
        using Process kill = Process.Start("kill", ["-" + name, _process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Waits until the output holds this text.</summary>
    public Task WaitForAsync(string text) => UntilAsync(() => Out.Contains(text, StringComparison.Ordinal), $"'{text}'");

    /// <summary>Waits until the output, without its colours, matches.</summary>
    public Task WaitForMatchAsync(string pattern) => UntilAsync(() => Regex.IsMatch(Regex.Replace(Out, @"\e\[[0-9;?]*[A-Za-z]", ""), pattern), pattern);

    /// <summary>Waits until a file is there.</summary>
    public Task WaitForFileAsync(string path) => UntilAsync(() => File.Exists(path), path);

    /// <summary>Waits until the program works on a file: has it open or mapped.</summary>
    public Task WaitForUseOfAsync(string path) => UntilAsync(() => Uses(path), $"the use of {path}");

    public Result WaitForExit()
    {
        _process.WaitForExit(Patience).ShouldBeTrue($"it does not end within {Patience}:\n{Out}\n{Read(_error)}");
        _process.WaitForExit();
        return new Result(_process.ExitCode, Out, Read(_error));
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    // A process that ends first fails the test.
    private async Task UntilAsync(Func<bool> holds, string what)
    {
        long began = Stopwatch.GetTimestamp();
        while (!holds())
        {
            // What was printed before the end may come after it.
            if (_process.HasExited)
            {
                WaitForExit();
                holds().ShouldBeTrue($"it ended before {what}:\n{Out}\n{Read(_error)}");
                return;
            }
            Stopwatch.GetElapsedTime(began).ShouldBeLessThan(Patience, $"{what} does not come:\n{Out}\n{Read(_error)}");
            await Task.Delay(Look);
        }
    }

    private bool Uses(string path)
    {
        string process = $"/proc/{_process.Id.ToString(CultureInfo.InvariantCulture)}";
        try
        {
            return Directory.EnumerateFiles(process + "/fd").Any(file => new FileInfo(file).LinkTarget == path)
                || File.ReadAllText(process + "/maps").Contains(path, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // A handle was closed while it was looked at, or the process has ended.
            return false;
        }
    }

    internal static string Quoted(string argument) => "'" + argument.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    private static void Append(StringBuilder text, string? line)
    {
        if (line is null)
            return;
        lock (text)
            text.Append(line).Append('\n');
    }

    private static string Read(StringBuilder text)
    {
        lock (text)
            return text.ToString();
    }
}
