using System.Diagnostics;
using System.Globalization;
using System.Text;
using Cairn.Mpi;
using Cairn.Mpi.Tests;

namespace TinyLm.Tests;

/// <summary>
/// The sample under a real launcher while it runs, with a hand on each rank's process. The launcher is told to leave the others alone when a rank
/// dies; a shell in each rank ignores the signal of a file that grows too large, so that such a write fails as on a full disk.
/// </summary>
internal sealed class RankJob : IDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50), Rest = TimeSpan.FromMinutes(1);

    readonly string _mark = Guid.NewGuid().ToString("N");
    readonly Dictionary<int, int> _processes = [];
    readonly StringBuilder _output = new();
    readonly Process _launcher;

    public RankJob(MpiImplementation mpi, int ranks, params string[] arguments)
    {
        string[] survive = mpi == MpiImplementation.OpenMpi ? ["--mca", "orte_enable_recovery", "1"] : ["-disable-auto-cleanup"];
        string[] command =
        [
            .. MpiRun.Launcher(mpi), .. survive, "-np", $"{ranks}", "sh", "-c", "trap '' XFSZ; trap : USR1; dotnet \"$@\"; exit $?", "sh", MpiRun.PathOf("TinyLm"), .. arguments,
        ];
        _launcher = new Process { StartInfo = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false } };
        _launcher.StartInfo.Environment["OMP_NUM_THREADS"] = "1";
        _launcher.StartInfo.Environment["CAIRN_TEST_JOB"] = _mark;
        // Its memory is a file that would count as too large.
        _launcher.StartInfo.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        _launcher.OutputDataReceived += (_, line) => Note(line.Data);
        _launcher.ErrorDataReceived += (_, line) => Note(line.Data);
        _launcher.Start();
        _launcher.BeginOutputReadLine();
        _launcher.BeginErrorReadLine();
    }

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public bool HasExited => _launcher.HasExited;

    /// <summary>Waits until the output holds this text. A job that ends before fails the test.</summary>
    /// <param name="text">What must be printed.</param>
    /// <param name="after">From which place of the output on.</param>
    public void WaitFor(string text, int after = 0)
    {
        bool Came() => Output.IndexOf(text, after, StringComparison.Ordinal) >= 0;
        Until(() => Came() || _launcher.HasExited, Patience).ShouldBeTrue($"'{text}' does not come:\n{Output}");
        // What was printed before the end may come after it.
        Until(Came, Rest).ShouldBeTrue($"the job ended before '{text}':\n{Output}");
    }

    /// <summary>Waits until a condition holds, and leaves the cores to the ranks meanwhile; <see langword="false"/> when the time is over first.</summary>
    public bool Until(Func<bool> holds, TimeSpan time)
    {
        long start = Stopwatch.GetTimestamp();
        while (!holds())
        {
            if (Stopwatch.GetElapsedTime(start) > time)
                return false;
            if (!_launcher.WaitForExit(Look))
                continue;
            // No more changes but those that are on their way.
            using var rest = new ManualResetEventSlim();
            rest.Wait(Look);
        }
        return true;
    }

    /// <summary>Waits for the end; <see langword="false"/> when it does not come in this time.</summary>
    public bool WaitForEnd(TimeSpan time)
    {
        if (!_launcher.WaitForExit(time))
            return false;
        _launcher.WaitForExit();
        return true;
    }

    public int ExitCode => _launcher.ExitCode;

    /// <summary>The process of a rank; 0 when it is gone.</summary>
    public int ProcessOf(int rank)
    {
        if (_processes.TryGetValue(rank, out int known))
            return IsOf(known, rank) ? known : 0;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id) && IsOf(id, rank))
                return _processes[rank] = id;
        }
        return 0;
    }

    bool IsOf(int process, int rank)
    {
        try
        {
            if (File.ReadAllText($"/proc/{process}/comm").TrimEnd() != "dotnet")
                return false;
            string[] variables = File.ReadAllText($"/proc/{process}/environ").Split('\0');
            return variables.Contains($"CAIRN_TEST_JOB={_mark}") && (variables.Contains($"OMPI_COMM_WORLD_RANK={rank}") || variables.Contains($"PMI_RANK={rank}"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended, perhaps while it was looked at.
            return false;
        }
    }

    /// <summary>Sends a signal to a rank, which must be there.</summary>
    public void Signal(int rank, string name) => Do("kill", $"-{name}", $"{Living(rank)}");

    /// <summary>From here on no file of this rank may grow beyond a few kilobytes; or it may again.</summary>
    public void FillDisk(int rank, bool full) => Do("prlimit", "--pid", $"{Living(rank)}", $"--fsize={(full ? "65536" : "unlimited")}:unlimited");

    public void Dispose()
    {
        if (!_launcher.HasExited)
            _launcher.Kill(entireProcessTree: true);
        for (int rank = 0; rank < 4; rank++)
        {
            if (ProcessOf(rank) is > 0 and int left)
                Do("kill", "-KILL", $"{left}");
        }
        _launcher.Dispose();
    }

    // 0 would mean this process and all that belong to it.
    int Living(int rank)
    {
        int id = 0;
        Until(() => (id = ProcessOf(rank)) > 0, Rest).ShouldBeTrue($"rank {rank} is gone\n{Output}");
        return id;
    }

    static void Do(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
    }

    void Note(string? line)
    {
        // The end of a stream is no line.
        if (line is null)
            return;
        lock (_output)
            _output.AppendLine(line);
    }
}
