using System.Diagnostics;
using System.Globalization;

namespace Cairn.Mpi.Tests;

/// <summary>Hosts with links between them and one set of files, made of network namespaces by <c>eng/hosts.sh</c>. A job runs on two of them, two ranks on each.</summary>
internal sealed class LinkedHosts : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-hosts-");

    /// <summary>Makes them. A test is skipped on a machine that cannot; a CI machine must.</summary>
    /// <param name="count">How many.</param>
    public LinkedHosts(int count)
    {
        (int code, string output) = Environment.IsPrivilegedProcess ? Script("start", $"{count}") : (1, "Only root can make network namespaces: run the tests as root, such as by 'sudo -E ./test.sh'.");
        if (code == 0)
            return;
        Dispose();
        string message = $"{count} hosts cannot be made here; 'eng/install-test-needs.sh' installs what they need (iproute2). {output}";
        if (Environment.GetEnvironmentVariable("CI") is null)
            Assert.Skip(message);
        Assert.Fail(message);
    }

    /// <summary>A folder that all see.</summary>
    public string Folder => _folder.FullName;

    /// <summary>Takes the link of the first host down, or brings it back.</summary>
    public void Cut() => Do("cut");
    public void Mend() => Do("mend");

    /// <summary>
    /// Starts ranks 0 and 1 on one host, 2 and 3 on another, as two machines would be used: over TCP, since these hosts share a memory by
    /// which MPI would get around the link. The launcher leaves the ranks to themselves.
    /// </summary>
    /// <param name="mpi">Which MPI.</param>
    /// <param name="first">The host of the first ranks, and of the launcher.</param>
    /// <param name="second">The host of the others.</param>
    /// <param name="timeout">Longest wait for other ranks.</param>
    /// <param name="arguments">What the program does; the folder of the ranks' logs is added.</param>
    public HostsJob Start(MpiImplementation mpi, int first, int second, TimeSpan timeout, params string[] arguments)
    {
        string[] addresses = File.ReadAllLines(Path.Combine(Folder, "hosts")), hosts = [addresses[first - 1], addresses[second - 1]];
        string agent = Path.Combine(Folder, "agent"), where = string.Join(',', hosts);
        (string Name, string Value)[] variables =
        [
            ("OMP_NUM_THREADS", "1"), ("CAIRN_TP", "2"), ("CAIRN_ZO", "2"), ("CAIRN_RANK_TIMEOUT", timeout.TotalSeconds.ToString(CultureInfo.InvariantCulture)),
            ("UCX_TLS", "tcp,self"), ("UCX_NET_DEVICES", "eth0"),
        ];
        string[] command = mpi == MpiImplementation.OpenMpi
            ? [.. MpiRun.Launcher(mpi), "--mca", "orte_enable_recovery", "1", "--mca", "plm_rsh_agent", agent, "--mca", "pml", "ob1", "--mca", "btl", "tcp,self",
                "--mca", "btl_tcp_if_include", "eth0", "--mca", "oob_tcp_if_include", "eth0", .. variables.SelectMany(variable => new[] { "-x", variable.Name }),
                "--host", string.Join(',', hosts.Select(host => host + ":2")), "-np", "4", "dotnet"]
            : [.. MpiRun.Launcher(mpi), "-launcher", "ssh", "-launcher-exec", agent, "-disable-auto-cleanup", "-hosts", where, "-ppn", "2", "-np", "4", "sh", "-c", "trap : USR1; dotnet \"$@\"; exit $?", "sh"];
        return new HostsJob([Path.Combine(Folder, "on"), $"{first}", .. command, MpiRun.PathOf("Cairn.Mpi.Program"), .. arguments], variables, Directory.CreateDirectory(Path.Combine(Folder, $"logs-{Guid.NewGuid():N}")).FullName);
    }

    public void Dispose()
    {
        if (Environment.IsPrivilegedProcess)
            Script("stop");
        _folder.Delete(recursive: true);
    }

    private void Do(string action)
    {
        (int code, string output) = Script(action);
        code.ShouldBe(0, output);
    }

    private (int Code, string Output) Script(string action, params string[] more) => MpiRun.Do(["bash", Path.Combine(AppContext.BaseDirectory, "hosts.sh"), action, Folder, .. more]);
}

/// <summary>A job on two hosts. Its last argument is the folder of its ranks' logs, in which the first line names the process.</summary>
internal sealed class HostsJob : IDisposable
{
    private const int Ranks = 4;
    private readonly string _logs;
    private readonly LaunchedProcess _launcher;

    public HostsJob(string[] command, (string Name, string Value)[] variables, string logs)
    {
        _logs = logs;
        _launcher = new LaunchedProcess([.. command, logs], variables);
    }

    /// <summary>What a rank has noted so far.</summary>
    public string[] Log(int rank)
    {
        string path = Path.Combine(_logs, $"{rank}.log");
        return File.Exists(path) ? ReadShared(path).Split('\n', StringSplitOptions.RemoveEmptyEntries) : [];
    }

    public string All => string.Join('\n', Enumerable.Range(0, Ranks).SelectMany(rank => Log(rank).Select(line => $"{rank}: {line}"))) + "\n" + _launcher.Output;

    /// <summary>Waits until the first rank has noted this many lines that begin so.</summary>
    public async Task WaitForAsync(int lines, string beginning, CancellationToken cancellationToken)
    {
        long began = Stopwatch.GetTimestamp();
        while (Log(0).Count(line => line.StartsWith(beginning, StringComparison.Ordinal)) < lines)
        {
            _launcher.HasExited.ShouldBeFalse(All);
            Stopwatch.GetElapsedTime(began).ShouldBeLessThan(TimeSpan.FromMinutes(5), $"line {lines} that begins with '{beginning}' does not come:\n{All}");
            await Task.Delay(20, cancellationToken);
        }
    }

    /// <summary>Kills ranks at once, in this order.</summary>
    public void Kill(params int[] ranks)
    {
        foreach (int rank in ranks.Where(IsAlive))
        {
            using Process process = Process.GetProcessById(ProcessOf(rank));
            process.Kill();
        }
    }

    /// <summary>Waits until no rank lives any more.</summary>
    public async Task<TimeSpan> WaitForRanksAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        long began = Stopwatch.GetTimestamp();
        while (Enumerable.Range(0, Ranks).Any(IsAlive))
        {
            Stopwatch.GetElapsedTime(began).ShouldBeLessThan(atMost, $"Ranks {string.Join(',', Enumerable.Range(0, Ranks).Where(IsAlive))} hang:\n{All}");
            await Task.Delay(20, cancellationToken);
        }
        return Stopwatch.GetElapsedTime(began);
    }

    /// <summary>Ends the launcher too: one whose link to a host was cut may wait for that host for ever.</summary>
    public void Dispose() => _launcher.Dispose();

    private bool IsAlive(int rank)
    {
        try
        {
            return !File.ReadAllText($"/proc/{ProcessOf(rank)}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private int ProcessOf(int rank) => int.Parse(Log(rank)[0].Split(' ')[1], CultureInfo.InvariantCulture);

    private static string ReadShared(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }
}
