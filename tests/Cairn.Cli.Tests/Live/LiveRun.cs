using Cairn.Storage;

namespace Cairn.Cli.Tests;

/// <summary>A run that the real manager of this process trains on a thread of its own, a batch every few milliseconds.</summary>
internal sealed class LiveRun : IDisposable
{
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _ended = new(), _started = new();
    private volatile bool _kill;
    private Exception? _failure;

    public LiveRun(string folder, CheckpointOptions? options = null, int batchMilliseconds = 5)
    {
        Folder = folder;
        options ??= new CheckpointOptions { CheckpointEvery = 1_000_000, SnapshotEvery = 200 };
        options.Folder = folder;
        options.HandleSignals = false;
        _thread = new Thread(() => Train(options, batchMilliseconds)) { IsBackground = true };
        _thread.Start();
        _started.Wait(TimeSpan.FromSeconds(30)).ShouldBeTrue();
    }

    public string Folder { get; }

    /// <summary>Trains to the end and completes, on this thread.</summary>
    public static void Make(string folder, CheckpointOptions options, int batches, params int[] overflowAt)
    {
        options.Folder = folder;
        options.HandleSignals = false;
        var training = new SampleTraining();
        CheckpointManager checkpoints = training.Start(new LocalFileSystem(folder), options);
        for (int batch = 1; batch <= batches; batch++)
        {
            training.Batch(overflow: overflowAt.Contains(batch));
            checkpoints.AfterBatch();
        }
        checkpoints.Complete();
        checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    public void WaitForTheEnd() => _ended.Wait(TimeSpan.FromSeconds(60)).ShouldBeTrue();

    public void Dispose()
    {
        _kill = true;
        _thread.Join();
        _ended.Dispose();
        _started.Dispose();
        _failure.ShouldBeNull();
    }

    private void Train(CheckpointOptions options, int batchMilliseconds)
    {
        try
        {
            var training = new SampleTraining();
            CheckpointManager checkpoints = training.Start(new LocalFileSystem(Folder), options);
            using var pause = new ManualResetEventSlim();
            do
            {
                training.Batch(overflow: training.Train.Batch % 50 == 49);
                _started.Set();
                pause.Wait(batchMilliseconds);
            }
            while (checkpoints.AfterBatch() && !_kill);
            checkpoints.Complete();
            checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            _failure = e;
        }
        finally
        {
            _ended.Set();
        }
    }
}
