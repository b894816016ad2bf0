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
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    readonly string _mark = Guid.NewGuid().ToString("N");
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

    /// <summary>Waits until a line of the output holds this text, or the job has ended.</summary>
    public void WaitFor(string text)
    {
        SpinWait.SpinUntil(() => Output.Contains(text, StringComparison.Ordinal) || _launcher.HasExited, Patience).ShouldBeTrue($"'{text}' does not come:\n{Output}");
        Output.ShouldContain(text);
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
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                continue;
            try
            {
                if (File.ReadAllText($"{folder}/comm").TrimEnd() != "dotnet")
                    continue;
                string[] variables = File.ReadAllText($"{folder}/environ").Split('\0');
                if (variables.Contains($"CAIRN_TEST_JOB={_mark}") && (variables.Contains($"OMPI_COMM_WORLD_RANK={rank}") || variables.Contains($"PMI_RANK={rank}")))
                    return id;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while it was looked at.
            }
        }
        return 0;
    }

    /// <summary>Sends a signal to a rank.</summary>
    public void Signal(int rank, string name) => Do("kill", $"-{name}", $"{ProcessOf(rank)}");

    /// <summary>From here on no file of this rank may grow beyond a few kilobytes; or it may again.</summary>
    public void FillDisk(int rank, bool full) => Do("prlimit", "--pid", $"{ProcessOf(rank)}", $"--fsize={(full ? "65536" : "unlimited")}:unlimited");

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

    static void Do(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
    }

    void Note(string? line)
    {
        lock (_output)
            _output.AppendLine(line);
    }
}
