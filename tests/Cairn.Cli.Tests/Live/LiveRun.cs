using Cairn.Stores;

namespace Cairn.Cli.Tests;

/// <summary>A run that the real manager of this process trains on a thread of its own, a batch every few milliseconds.</summary>
internal sealed class LiveRun : IDisposable
{
    // Leaves the processors to others; nothing depends on it.
    private const int BatchMilliseconds = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Thread _thread;
    private readonly ManualResetEventSlim _ended = new(), _started = new(), _released = new();
    private volatile bool _kill;
    private Exception? _failure;

    /// <summary>Starts to train, and is here when it has.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="options">All but the folder.</param>
    /// <param name="holdAfter">The batch in which it stands still until <see cref="Release"/>: the constructor returns when it does.</param>
    public LiveRun(string folder, CheckpointOptions? options = null, long holdAfter = -1)
    {
        Folder = folder;
        options ??= new CheckpointOptions { CheckpointEvery = 1_000_000, SnapshotEvery = 200 };
        options.Folder = folder;
        options.HandleSignals = false;
        _thread = new Thread(() => Train(options, holdAfter)) { IsBackground = true };
        _thread.Start();
        _started.Wait(Patience).ShouldBeTrue($"it does not train within {Patience}");
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

    public void WaitForTheEnd() => _ended.Wait(Patience).ShouldBeTrue($"it does not end within {Patience}");

    /// <summary>Lets it go on.</summary>
    public void Release() => _released.Set();

    public void Dispose()
    {
        _kill = true;
        Release();
        _thread.Join();
        _ended.Dispose();
        _started.Dispose();
        _released.Dispose();
        _failure.ShouldBeNull();
    }

    private void Train(CheckpointOptions options, long holdAfter)
    {
        try
        {
            var training = new SampleTraining();
            CheckpointManager checkpoints = training.Start(new LocalFileSystem(Folder), options);
            using var pause = new ManualResetEventSlim();
            do
            {
                training.Batch(overflow: training.Train.Batch % 50 == 49);
                if (training.Train.Batch >= holdAfter)
                    _started.Set();
                if (training.Train.Batch == holdAfter)
                    _released.Wait();
                pause.Wait(BatchMilliseconds);
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
            _started.Set();
            _ended.Set();
        }
    }
}
