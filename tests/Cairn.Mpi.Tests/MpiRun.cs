namespace Cairn.Mpi.Tests;

/// <summary>Jobs of a program under the real <c>mpirun</c> of an MPI.</summary>
internal static class MpiRun
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>Runs to the end and gives exit code and output, both streams together.</summary>
    /// <param name="mpi">Whose launcher.</param>
    /// <param name="ranks">Number of ranks.</param>
    /// <param name="program">A program beside this one.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="variables">Environment variables besides those of this process.</param>
    public static (int Code, string Output) Run(MpiImplementation mpi, int ranks, string program, string[] arguments, params (string Name, string Value)[] variables) =>
        Start([.. Launcher(mpi), "-np", $"{ranks}", "dotnet", PathOf(program), .. arguments], variables);

    /// <summary>
    /// The same, told to leave the others alive when a rank is killed. MPICH's launcher does so only when the process ends by itself, so
    /// a shell stands between that turns the signal into an exit code, and ignores SIGUSR1, by which the launcher tells of the death.
    /// </summary>
    public static (int Code, string Output) RunOn(MpiImplementation mpi, int ranks, string program, params string[] arguments) => mpi == MpiImplementation.OpenMpi
        ? Start([.. Launcher(mpi), "--mca", "orte_enable_recovery", "1", "-np", $"{ranks}", "dotnet", PathOf(program), .. arguments], [])
        : Start([.. Launcher(mpi), "-disable-auto-cleanup", "-np", $"{ranks}", "sh", "-c", "trap '' USR1; dotnet \"$@\"; exit $?", "sh", PathOf(program), .. arguments], []);

    /// <summary>Runs a program without a launcher.</summary>
    public static (int Code, string Output) Alone(string program, string[] arguments, params (string Name, string Value)[] variables) =>
        Start(["dotnet", PathOf(program), .. arguments], variables);

    /// <summary>Skips a test on a machine without this MPI; a CI machine must have it.</summary>
    public static void Require(MpiImplementation mpi)
    {
        string launcher = mpi == MpiImplementation.OpenMpi ? "mpirun.openmpi" : "mpirun.mpich";
        bool found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, launcher)));
        if (!found && Environment.GetEnvironmentVariable("CI") is null)
            Assert.Skip($"{launcher} is not installed; eng/install-test-needs.sh installs it.");
        found.ShouldBeTrue($"{launcher} is not installed; eng/install-test-needs.sh installs it.");
    }

    internal static string PathOf(string program) => Path.Combine(AppContext.BaseDirectory, program + ".dll");

    internal static string[] Launcher(MpiImplementation mpi) => mpi == MpiImplementation.OpenMpi
        ? ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
        : ["mpirun.mpich"];

    /// <summary>Runs a command to its end.</summary>
    internal static (int Code, string Output) Do(string[] command, params (string Name, string Value)[] variables) => Start(command, variables);

    private static (int Code, string Output) Start(IReadOnlyList<string> command, (string Name, string Value)[] variables)
    {
        using var process = new LaunchedProcess(command, [("OMP_NUM_THREADS", "1"), .. variables]);
        if (process.WaitForExit(Patience) is { } code)
            return (code, process.Output);
        throw new TimeoutException($"{string.Join(' ', command)} does not end within {Patience}:\n{process.Output}");
    }
}
