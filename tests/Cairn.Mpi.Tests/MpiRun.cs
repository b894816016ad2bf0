using System.Diagnostics;
using System.Text;

namespace Cairn.Mpi.Tests;

/// <summary>Jobs of the test program under the real <c>mpirun</c> of an MPI.</summary>
internal static class MpiRun
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Runs to the end and gives exit code and output, both streams together.</summary>
    public static (int Code, string Output) Run(MpiImplementation mpi, int ranks, string[] arguments, string[]? options = null, params (string Name, string Value)[] variables)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "Cairn.Mpi.Program.dll");
        List<string> command = mpi == MpiImplementation.OpenMpi
            ? ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
            : ["mpirun.mpich"];
        return Start([.. command, .. options ?? [], "-np", $"{ranks}", "dotnet", program, .. arguments], variables);
    }

    /// <summary>Runs the test program without a launcher.</summary>
    public static (int Code, string Output) Alone(string[] arguments, params (string Name, string Value)[] variables) =>
        Start(["dotnet", Path.Combine(AppContext.BaseDirectory, "Cairn.Mpi.Program.dll"), .. arguments], variables);

    /// <summary>Skips a test on a machine without this MPI; a CI machine must have it.</summary>
    public static void Require(MpiImplementation mpi)
    {
        string launcher = mpi == MpiImplementation.OpenMpi ? "mpirun.openmpi" : "mpirun.mpich";
        bool found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, launcher)));
        if (!found && Environment.GetEnvironmentVariable("CI") is null)
            Assert.Skip($"{launcher} is not installed; eng/install-test-needs.sh installs it.");
        found.ShouldBeTrue($"{launcher} is not installed; eng/install-test-needs.sh installs it.");
    }

    private static (int Code, string Output) Start(IReadOnlyList<string> command, (string Name, string Value)[] variables)
    {
        StringBuilder output = new();
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false },
        };
        process.StartInfo.Environment["OMP_NUM_THREADS"] = "1";
        foreach ((string name, string value) in variables)
            process.StartInfo.Environment[name] = value;
        void Note(string? line)
        {
            lock (output)
                output.AppendLine(line);
        }
        process.OutputDataReceived += (_, line) => Note(line.Data);
        process.ErrorDataReceived += (_, line) => Note(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            lock (output)
                throw new TimeoutException($"{string.Join(' ', command)} hangs:\n{output}");
        }
        process.WaitForExit();
        lock (output)
            return (process.ExitCode, output.ToString());
    }
}
