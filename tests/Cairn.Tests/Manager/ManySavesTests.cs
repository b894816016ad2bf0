using System.Globalization;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Starting;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Manager;

/// <summary>What a long run costs: nothing that grows with its saves. Alone, because it counts what the process has.</summary>
[Collection(nameof(Alone))]
public class ManySavesTests
{
    private static readonly int Saves = RandomFaults.AreAll ? 1000 : 400, Settled = Saves * 3 / 10;

    [Theory, InlineData(false), InlineData(true)]
    public async Task Many_saves_leave_no_more_memory_handles_or_threads_than_a_third_of_them(bool overlap)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Counts in /proc.");
        using var folder = new TemporaryFolder(inMemory: true);
        var train = new TrainState();
        var part = new Arrays();
        await using CheckpointManager checkpoints = CheckpointManager.Start(
            new LocalFileSystem(folder.Path), new CheckpointOptions { Folder = folder.Path, CheckpointEvery = 2, SnapshotEvery = 1, KeepLast = 2, OverlapCapture = overlap, HandleSignals = false }, train, [part], NullLoggerFactory.Instance,
            cancellationToken: TestContext.Current.CancellationToken);
        int saved = 0;
        checkpoints.SaveEnded += (_, report) => saved += report.Outcome == SaveOutcome.Saved ? 1 : 0;
        (long Memory, long Addresses, int Handles, int Threads) settled = default;
        for (int batch = 1; batch <= Saves; batch++)
        {
            checkpoints.BeforeUpdate();
            checkpoints.WaitForSave();
            part.Change();
            train.CompleteStep(samples: 1, loss: 1.0);
            checkpoints.AfterBatch();
            if (batch == Settled)
                settled = Count();
        }
        checkpoints.BeforeUpdate();
        checkpoints.WaitForSave();
        (long Memory, long Addresses, int Handles, int Threads) end = Count();
        end.Handles.ShouldBeLessThanOrEqualTo(settled.Handles + 4);
        end.Threads.ShouldBeLessThanOrEqualTo(settled.Threads + 8);
        // The runtime's own comes and goes; what a save leaves behind is more than that, each time.
        (end.Memory - settled.Memory).ShouldBeLessThan((Saves - Settled) << 10);
        // A block of native memory that each save left behind would be gigabytes.
        (end.Addresses - settled.Addresses).ShouldBeLessThan(256 << 20);
        checkpoints.Complete();
        saved.ShouldBe(Saves);
        Directory.GetDirectories(folder.Path).Length.ShouldBeLessThan(10);

        (long, long, int, int) Count()
        {
            checkpoints.BeforeUpdate();
            checkpoints.WaitForSave();
            long pages = long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[0], CultureInfo.InvariantCulture);
            return (GC.GetTotalMemory(forceFullCollection: true), pages * Environment.SystemPageSize, Directory.GetFiles("/proc/self/fd").Length, Directory.GetDirectories("/proc/self/task").Length);
        }
    }

    private sealed class Arrays : IStatePart
    {
        private readonly float[][] _values = [.. Enumerable.Range(0, 40).Select(i => new float[1000 + i])];

        public string Name => "model";

        public void Change()
        {
            foreach (float[] values in _values)
                values[0]++;
        }

        public StateMap Capture()
        {
            var state = new StateMap();
            for (int i = 0; i < _values.Length; i++)
                state.Add($"w{i}", new MemoryTensor(TensorType.F32, [_values[i].Length], System.Runtime.InteropServices.MemoryMarshal.AsBytes(_values[i].AsSpan()).ToArray()) { ChangesOnlyInUpdate = true });
            return state;
        }

        public void Check(StateMap saved, RestoreProblems problems) { }

        public void Restore(StateMap saved) { }
    }
}
