using System.Runtime.InteropServices;
using Cairn.Policies;
using Cairn.Tests.Manager;
using Microsoft.Extensions.Logging;

namespace Cairn.Tests.Starting;

/// <summary>Sends a signal to this process, which other tests would hear.</summary>
[Collection(nameof(Alone))]
public sealed class StartSignalTests : IDisposable
{
    private const int Hangup = 1;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_start_that_fails_leaves_no_signal_handler_and_no_lock_behind()
    {
        // The handler that was registered first is asked last.
        using var answered = new SemaphoreSlim(0);
        using PosixSignalRegistration first = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            answered.Release();
        });
        var failed = new RecordedLog();
        await Should.ThrowAsync<NotSupportedException>(() => Start(new Undescribed(), failed));
        var started = new RecordedLog();
        await using (await Start(null, started))
            await HangUp();
        Heard(started).ShouldBe(1);
        await HangUp();
        (Heard(failed), Heard(started)).ShouldBe((0, 1));

        async Task HangUp()
        {
            Kill(Environment.ProcessId, Hangup).ShouldBe(0);
            await answered.WaitAsync(TestContext.Current.CancellationToken);
        }
    }

    private static int Heard(RecordedLog log) => log.At(LogLevel.Information).Count(line => line.Contains("SIGHUP", StringComparison.Ordinal));

    private Task<CheckpointManager> Start(ISavePolicy? policy, RecordedLog log) => CheckpointManager.StartAsync(
        new CheckpointOptions { Folder = _folder["run"], CheckpointPolicy = policy, SnapshotEvery = 0 }, new TrainState(), [new WeightsPart()], log, cancellationToken: TestContext.Current.CancellationToken);

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int process, int signal);

    private sealed class Undescribed : ISavePolicy
    {
        public string Describe => throw new NotSupportedException("no words");
        public bool IsDue(in SavePoint point) => false;
    }
}

/// <summary>Tests during which no other runs.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
