using Cairn.S3;
using Cairn.State;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Bench;

/// <summary>For how long training waits for a save in the background, and until when a crash costs steps: a run in a folder, in an object store, and in the store behind a fast folder.</summary>
internal static class TierStalls
{
    public const string Verb = "tiers";

    // What a save leaves to do is over before the next one begins.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>Measures and prints a table. Keys and endpoint come from the environment.</summary>
    /// <param name="address">Where runs in the store are put.</param>
    /// <param name="folder">The folder of a local run.</param>
    /// <param name="fast">The fast folder.</param>
    /// <param name="bytes">Bytes of the state.</param>
    /// <param name="rounds">How often each is measured.</param>
    public static async Task<int> RunAsync(string address, string folder, string fast, long bytes, int rounds)
    {
        S3RunStores.Register();
        using var state = new LargeState(bytes);
        string run = Guid.NewGuid().ToString("N");
        var contest = new Contest(rounds, Pause);
        Measurement[] Of(string name, Role role) => [contest.Measure("training waits", name, role), contest.Measure("a restart would lose nothing after", name, role)];
        await using Contender local = await Contender.StartAsync(state, Path.Join(folder, run), null);
        await using Contender store = await Contender.StartAsync(state, $"{address}/{run}-plain", null);
        await using Contender tiered = await Contender.StartAsync(state, $"{address}/{run}-tiered", fast);
        foreach ((Contender contender, Measurement[] measured) in new[] { (local, Of("a folder", Role.Limit)), (tiered, Of("a store, with a fast folder", Role.Ours)), (store, Of("a store", Role.Peer)) })
        {
            contest.Enter(() =>
            {
                (TimeSpan stall, TimeSpan safe) = contender.Save();
                measured[0].Add(stall);
                measured[1].Add(safe);
            });
        }
        foreach (ResultGroup group in contest.Run(bytes))
            Console.WriteLine(group.ToMarkdown());
        return 0;
    }

    private sealed class Contender(CheckpointManager checkpoints, TrainState train) : IAsyncDisposable
    {
        private TimeSpan _safe;

        public static async Task<Contender> StartAsync(LargeState state, string folder, string? fast)
        {
            var train = new TrainState();
            var options = new CheckpointOptions { Folder = folder, FastFolder = fast, CheckpointEvery = null, SnapshotEvery = 1, HandleSignals = false };
            CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [new Part(state)], NullLoggerFactory.Instance);
            var contender = new Contender(checkpoints, train);
            checkpoints.SaveEnded += (_, report) => contender._safe = report.Outcome == SaveOutcome.Recoverable || fast is null ? report.Duration : contender._safe;
            return contender;
        }

        public (TimeSpan Stall, TimeSpan Safe) Save()
        {
            train.CompleteStep();
            TimeSpan stall = Measure.Time(() => checkpoints.AfterBatch());
            using var never = new ManualResetEventSlim();
            // Also until it is home, so that no save meets the one before.
            while (checkpoints.IsSaving || checkpoints.LastSnapshot != train.Step)
            {
                never.Wait(5);
                checkpoints.Poll();
            }
            return (stall, _safe);
        }

        public ValueTask DisposeAsync()
        {
            // Nothing of it is kept.
            checkpoints.BeginBatch();
            return checkpoints.DisposeAsync();
        }
    }

    private sealed class Part(LargeState state) : IStatePart
    {
        public string Name => "model";
        public StateMap Capture() => state.Model;
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
