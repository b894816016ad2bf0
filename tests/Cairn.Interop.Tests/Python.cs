using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Cairn.Interop.Tests;

/// <summary>
/// Runs Python scripts against the system's PyTorch, each in a process of its own that has imported it. Where there is none, the calling test is skipped, and fails when
/// <c>CI</c> is <c>true</c>. <c>CAIRN_PYTHON</c> names another interpreter.
/// </summary>
internal static class Python
{
    private const string Install = "Install it with `apt-get install -y python3-torch` (see eng/install-test-needs.sh), or set CAIRN_PYTHON to an interpreter that has it.";

    private static readonly string Executable = Environment.GetEnvironmentVariable("CAIRN_PYTHON") ?? "/usr/bin/python3";
    private static readonly Lazy<string?> Missing = new(FindMissing);
    private static readonly ConcurrentBag<Interpreter> Idle = [];

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
        var first = new Interpreter();
        if (first.Errors is { } errors)
            return $"{Executable} has no torch: {errors.TrimEnd()} {Install}";
        Idle.Add(first);
        return null;
    }

    private static (int Exit, string Output, string Errors) Start(string[] arguments, TimeSpan timeout)
    {
        if (!Idle.TryTake(out Interpreter? interpreter))
            interpreter = new Interpreter();
        interpreter.Errors.ShouldBeNull();
        (int, string, string) result = interpreter.Run(arguments, timeout);
        Idle.Add(interpreter);
        return result;
    }

    /// <summary>
    /// An interpreter that has imported PyTorch, which takes longer than any of the scripts. For each of them it makes a process that is as it was then. It ends when its input does.
    /// </summary>
    private sealed class Interpreter
    {
        private const string Program = """
            import json, os, runpy, sys
            import torch
            print("ready", flush=True)
            for line in sys.stdin:
                if os.fork() == 0:
                    break
                print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
            else:
                sys.exit()
            job = json.loads(line)
            for stream, path in ((1, job["output"]), (2, job["errors"])):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
            sys.argv = job["arguments"]
            sys.path[0] = os.path.dirname(sys.argv[0])
            runpy.run_path(sys.argv[0], run_name="__main__")
            """;

        private readonly Process _process;

        public Interpreter()
        {
            var start = new ProcessStartInfo(Executable, ["-c", Program]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
            // A test machine is shared, and byte code beside the scripts is of no use.
            start.Environment["OMP_NUM_THREADS"] = "1";
            start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
            _process = Process.Start(start)!;
            Task<string> errors = _process.StandardError.ReadToEndAsync();
            if (Answer(TimeSpan.FromMinutes(2)) is null)
                Errors = errors.GetAwaiter().GetResult();
        }

        /// <summary>What it said when it ended at its start.</summary>
        public string? Errors { get; }

        public (int Exit, string Output, string Errors) Run(string[] arguments, TimeSpan timeout)
        {
            DirectoryInfo folder = Directory.CreateTempSubdirectory("cairn-python-");
            try
            {
                string output = Path.Combine(folder.FullName, "output"), errors = Path.Combine(folder.FullName, "errors");
                _process.StandardInput.WriteLine(JsonSerializer.Serialize(new { arguments, output, errors }));
                _process.StandardInput.Flush();
                string exit = Answer(timeout).ShouldNotBeNull();
                return (int.Parse(exit, CultureInfo.InvariantCulture), File.ReadAllText(output), File.ReadAllText(errors));
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        }

        private string? Answer(TimeSpan timeout)
        {
            Task<string?> line = _process.StandardOutput.ReadLineAsync();
            if (line.Wait(timeout))
                return line.GetAwaiter().GetResult();
            _process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Executable} took longer than {timeout}.");
        }
    }
}
