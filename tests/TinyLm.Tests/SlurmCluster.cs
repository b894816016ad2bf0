using Cairn.Mpi;
using Cairn.Mpi.Tests;

namespace TinyLm.Tests;

/// <summary>Slurm on this machine with two nodes of two processors, each in a network namespace of its own, made by <c>eng/slurm-cluster.sh</c>.</summary>
internal sealed class SlurmCluster : IDisposable
{
    readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-slurm-");

    /// <summary>Makes it. A test is skipped on a machine that cannot; a CI machine must.</summary>
    public SlurmCluster()
    {
        var (code, output) = Environment.IsPrivilegedProcess ? Script("start") : (1, "Only root can make network namespaces: run the tests as root, such as by 'sudo -E ./test.sh'.");
        if (code == 0)
        {
            return;
        }
        Dispose();
        var message = $"Slurm cannot be started here; 'eng/install-test-needs.sh' installs what it needs. {output}";
        if (Environment.GetEnvironmentVariable("CI") is null)
        {
            Assert.Skip(message);
        }
        Assert.Fail(message);
    }

    /// <summary>A folder that all nodes see.</summary>
    public string Folder => _folder.FullName;

    /// <summary>Submits the sample's batch script with one rank on each node and this time limit; one minute is the shortest that Slurm knows.</summary>
    public SlurmJob Submit(MpiImplementation mpi, int minutes, params string[] arguments) => new(this, mpi, minutes, arguments);

    /// <summary>Takes the link to the second node down, or brings it back.</summary>
    public void Cut() => Do("cut");
    public void Mend() => Do("mend");

    /// <summary>Runs a command of Slurm's.</summary>
    public string Run(string[] command, params (string Name, string Value)[] variables)
    {
        var (code, output) = MpiRun.Do([Path.Combine(Folder, "in"), .. command], variables);
        code.ShouldBe(0, output);
        return output.Trim();
    }

    public void Dispose()
    {
        if (Environment.IsPrivilegedProcess)
        {
            Script("stop");
        }
        _folder.Delete(recursive: true);
    }

    void Do(string action)
    {
        var (code, output) = Script(action);
        code.ShouldBe(0, output);
    }

    (int Code, string Output) Script(string action) => MpiRun.Do(["bash", Path.Combine(AppContext.BaseDirectory, "slurm-cluster.sh"), action, Folder]);
}
