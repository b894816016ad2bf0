using Cairn.Opening;
using Cairn.Telemetry;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Telemetry;

public class RunGaugesTests
{
    [Fact]
    public async Task A_run_can_be_asked_what_a_loss_would_cost_now()
    {
        using var heard = new HeardMeters();
        var time = new FakeTimeProvider();
        var files = new SimulatedFileSystem();
        var training = new SampleTraining();
        string run;
        await using (CheckpointManager checkpoints = CheckpointManager.Start(files, new CheckpointOptions { CheckpointEvery = 4, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false }, training.Train, [training.Weights], NullLoggerFactory.Instance, time, cancellationToken: TestContext.Current.CancellationToken))
        {
            run = RunRecord.Load(files)!.Id;
            for (int batch = 0; batch < 6; batch++)
            {
                time.Advance(TimeSpan.FromSeconds(10));
                training.Batch();
                checkpoints.AfterBatch();
            }
            heard.Ask("cairn.steps_at_risk", run).ShouldBe(2);
            heard.Ask("cairn.durable.age", run).ShouldBe(20);
            heard.Ask("cairn.batch.age", run).ShouldBe(0);
            // It hangs, right after a save or not.
            time.Advance(TimeSpan.FromMinutes(40));
            heard.Ask("cairn.batch.age", run).ShouldBe(2400);
            checkpoints.Poll();
            heard.Ask("cairn.batch.age", run).ShouldBe(0);
            heard.Ask("cairn.store.free", run).ShouldBe(files.AvailableBytes());
            // There is no fast folder.
            heard.Ask("cairn.drain.backlog", run).ShouldBeNull();
            checkpoints.Complete();
            heard.Ask("cairn.batch.age", run).ShouldBeNull();
        }
        heard.Ask("cairn.steps_at_risk", run).ShouldBeNull();
    }

    [Fact]
    public async Task A_resumed_run_risks_nothing_at_its_start()
    {
        using var heard = new HeardMeters();
        var files = new SimulatedFileSystem();
        for (int start = 0; start < 2; start++)
        {
            var training = new SampleTraining();
            await using CheckpointManager checkpoints = training.Start(files, new CheckpointOptions { CheckpointEvery = 4, HandleSignals = false, Asynchronous = false });
            heard.Ask("cairn.steps_at_risk", RunRecord.Load(files)!.Id).ShouldBe(0);
            while (training.Train.Step % 4 < 3)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
        }
    }

    [Fact]
    public void A_store_that_hangs_keeps_nobody_waiting_who_asks_for_its_space()
    {
        using var answers = new ManualResetEventSlim();
        long bytes = 5;
        var time = new FakeTimeProvider();
        var space = new FreeSpace(() =>
        {
            if (Interlocked.Read(ref bytes) == 6)
                answers.Wait(TestContext.Current.CancellationToken);
            return Interlocked.Read(ref bytes);
        }, time);
        space.Bytes.ShouldBe(5);
        Interlocked.Exchange(ref bytes, 6);
        time.Advance(TimeSpan.FromMinutes(1));
        // It hangs now: the last answer, at once, however often it is asked.
        for (int look = 0; look < 3; look++)
            space.Bytes.ShouldBe(5);
        answers.Set();
        SpinWait.SpinUntil(() => space.Bytes == 6, TimeSpan.FromMinutes(3)).ShouldBeTrue();
    }
}
