using System.Globalization;
using System.Text.Json;
using Cairn.Mpi;
using Cairn.Mpi.Tests;
using Cairn.Opening;
using Cairn.Stores;

namespace TinyLm.Tests;

/// <summary>A job of the sample's batch script. Its options lie in a file that each start reads anew, so that a test can say when it is done.</summary>
internal sealed class SlurmJob
{
    /// <summary>From the signal until Slurm ends the job; the signal comes up to a minute earlier.</summary>
    const int Grace = 25;

    readonly SlurmCluster _cluster;
    readonly string _id, _options, _log;
    readonly string[] _arguments;

    public SlurmJob(SlurmCluster cluster, MpiImplementation mpi, int minutes, string[] arguments)
    {
        (_cluster, _arguments) = (cluster, arguments);
        Run = Path.Combine(cluster.Folder, $"run-{mpi}");
        _options = Path.Combine(cluster.Folder, $"{mpi}.options");
        _log = Path.Combine(cluster.Folder, $"{mpi}.log");
        EndAt(1_000_000);
        string[] command =
        [
            "sbatch", "--parsable", $"--time={minutes}", $"--signal=B:USR1@{Grace}", "--ntasks-per-node=1", $"--chdir={cluster.Folder}", $"--output={_log}",
            Path.Combine(AppContext.BaseDirectory, "train.sbatch"), $"@{_options}",
        ];
        _id = cluster.Run(command,
            ("MPI", mpi == MpiImplementation.OpenMpi ? "pmix" : "pmi2"), ("PROGRAM", MpiRun.PathOf("TinyLm")), ("RUN", Run), ("GRACE", $"{Grace}"), ("PATIENCE", "5"),
            // The two nodes share a memory and a host name, by which MPI would be misled.
            ("OMPI_MCA_pml", "ob1"), ("OMPI_MCA_btl", "tcp,self"), ("UCX_TLS", "tcp,self"));
    }

    /// <summary>The folder of its run.</summary>
    public string Run { get; }

    /// <summary>What the batch script and its ranks printed, over all starts, and what Slurm says of the job.</summary>
    public string Story => $"{(File.Exists(_log) ? File.ReadAllText(_log) : "")}\n{State}";

    /// <summary>What Slurm says of the job.</summary>
    public string State => _cluster.Run(["scontrol", "show", "job", _id]);

    /// <summary>The events of the run's journal.</summary>
    public JsonElement[] Journal => [.. File.ReadAllLines(Path.Combine(Run, "journal.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>The checkpoints and snapshots of its run.</summary>
    public IReadOnlyList<CatalogEntry> Copies => Catalog.Read(new LocalFileSystem(Run)).Entries;

    /// <summary>From its next start on the run ends at this batch.</summary>
    public void EndAt(long batch) =>
        File.WriteAllLines(_options, [.. _arguments, "--total-steps", batch.ToString(CultureInfo.InvariantCulture), "--checkpoint-every", "0", "--snapshot-every", "10", "--log-every", "5", "--rank-timeout", "10"]);

    /// <summary>Waits until something holds, at most some minutes.</summary>
    public async Task WaitForAsync(string what, Func<bool> condition, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(10));
        while (!condition())
        {
            State.ShouldNotContain("JobState=FAILED", Case.Sensitive, Story);
            State.ShouldNotContain("JobState=TIMEOUT", Case.Sensitive, Story);
            patience.IsCancellationRequested.ShouldBeFalse($"{what} does not come:\n{Story}");
            await Task.Delay(200, cancellationToken);
        }
    }
}
