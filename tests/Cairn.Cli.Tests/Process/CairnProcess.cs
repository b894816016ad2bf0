using System.Diagnostics;
using System.Text;

namespace Cairn.Cli.Tests;

/// <summary>What a process printed and returned.</summary>
internal sealed record Result(int Code, string Out, string Error);

/// <summary>The real program as a process: in a pipe, or on a pseudo-terminal.</summary>
internal sealed class CairnProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "Cairn.Cli.dll");

    private readonly Process _process;
    private readonly StringBuilder _out = new(), _error = new();

    private CairnProcess(ProcessStartInfo start, bool colour = true)
    {
        if (colour)
            start.Environment.Remove("NO_COLOR");
        start.RedirectStandardOutput = start.RedirectStandardError = start.RedirectStandardInput = true;
        start.UseShellExecute = false;
        start.Environment["TERM"] = "xterm-256color";
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
        string command = "stty cols 110 rows 40; exec dotnet " + string.Join(' ', arguments.Prepend(Program).Select(Quoted));
        var start = new ProcessStartInfo("script", ["-qfec", command, "/dev/null"]) { WorkingDirectory = folder ?? "" };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>(StringComparer.Ordinal))
            start.Environment[name] = value;
        using var process = new CairnProcess(start, colour: environment?.ContainsKey("NO_COLOR") != true);
        return process.WaitForExit();
    }

    /// <summary>Runs a script in a shell that finds the program as <c>cairn</c>.</summary>
    public static Result RunShell(string shell, params string[] arguments)
    {
        string folder = Directory.CreateTempSubdirectory("cairn-shell-").FullName;
        try
        {
            string cairn = Path.Combine(folder, "cairn");
            File.WriteAllText(cairn, $"#!/bin/sh\nexec dotnet {Quoted(Program)} \"$@\"\n");
            File.SetUnixFileMode(cairn, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
            var start = new ProcessStartInfo(shell, arguments);
            start.Environment["PATH"] = folder + ":" + Environment.GetEnvironmentVariable("PATH");
            using var process = new CairnProcess(start);
            return process.WaitForExit();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public void Interrupt() => Signal("INT");

    public void Terminate() => Signal("TERM");

    private void Signal(string name)
    {
        using Process kill = Process.Start("kill", ["-" + name, _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Waits until the output holds this text.</summary>
    public async Task WaitForAsync(string text)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (!Out.Contains(text, StringComparison.Ordinal) && !_process.HasExited)
            await Task.Delay(20, timeout.Token);
        Out.ShouldContain(text, customMessage: Read(_error));
    }

    public Result WaitForExit()
    {
        _process.WaitForExit(Patience).ShouldBeTrue($"{Out}\n{Read(_error)}");
        _process.WaitForExit();
        return new Result(_process.ExitCode, Out, Read(_error));
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    private static string Quoted(string argument) => "'" + argument.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

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
