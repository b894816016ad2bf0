using System.Net;
using System.Net.Sockets;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Cairn.Telemetry.Tests;

/// <summary>What Prometheus reads of a run by the real OpenTelemetry, in which everything happens that is measured: it skips, saves through a fast folder, is started again, and refuses a damaged copy.</summary>
public sealed class ScrapedRun : IAsyncLifetime
{
    /// <summary>The whole text.</summary>
    public string Text { get; private set; } = "";

    /// <summary>The names of all samples in it.</summary>
    public IReadOnlySet<string> Names { get; private set; } = new HashSet<string>(StringComparer.Ordinal);

    public async ValueTask InitializeAsync()
    {
        using var folder = new TemporaryFolder();
        (MeterProvider meters, string address) = Serve();
        using (meters)
        {
            await TrainAsync(folder, steps: 4);
            string last = Path.Combine(folder["run"], "4");
            string file = Directory.GetFiles(last, "model*").Single();
            await File.AppendAllTextAsync(file, "damage");
            await using CheckpointManager checkpoints = await StartAsync(folder, new TrainState { TotalSteps = 10 });
            checkpoints.Resume.PassedOver.ShouldNotBeEmpty();
            checkpoints.Train.SkipBatch("overflow");
            checkpoints.AfterBatch();
            using var client = new HttpClient();
            Text = await client.GetStringAsync(address);
        }
        Names = Text.Split('\n').Where(line => line.Length > 0 && line[0] != '#').Select(line => line[..line.IndexOfAny(['{', ' '])]).ToHashSet(StringComparer.Ordinal);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async Task TrainAsync(TemporaryFolder folder, int steps)
    {
        var train = new TrainState { TotalSteps = steps };
        await using CheckpointManager checkpoints = await StartAsync(folder, train);
        do
            train.CompleteStep();
        while (checkpoints.AfterBatch());
        checkpoints.Complete();
    }

    // Its model never changes, and the damage is to hit one copy.
    private static Task<CheckpointManager> StartAsync(TemporaryFolder folder, TrainState train) => CheckpointManager.StartAsync(
        new CheckpointOptions { Folder = folder["run"], FastFolder = folder["fast"], CheckpointEvery = 2, SnapshotEvery = 1, HandleSignals = false, ShareUnchanged = false }, train, [new Model()]);

    private static (MeterProvider Meters, string Address) Serve()
    {
        for (int tries = 0; ; tries++)
        {
            // A port that is free now; another program may take it before the exporter does.
            var free = new TcpListener(IPAddress.Loopback, 0);
            free.Start();
            int port = ((IPEndPoint)free.LocalEndpoint).Port;
            free.Stop();
            try
            {
                return (Sdk.CreateMeterProviderBuilder().AddMeter(CairnTelemetry.SourceName).AddPrometheusHttpListener(options => (options.Host, options.Port) = ("127.0.0.1", port)).Build(), $"http://127.0.0.1:{port}/metrics");
            }
            catch (HttpListenerException) when (tries < 20)
            {
                // As above.
            }
        }
    }
}
