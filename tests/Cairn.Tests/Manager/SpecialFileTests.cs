using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>A named pipe in the place of any file of a run: training refuses to start with a reason, or goes on; it never hangs.</summary>
public sealed class SpecialFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(RunLock.FileName), InlineData(RunFolder.Record), InlineData(".probe")]
    public void A_pipe_where_the_run_must_read_or_write_is_an_error_at_the_start(string name)
    {
        SpecialFile.Pipe(_folder[name]);
        StoreException error = Should.Throw<StoreException>(() => SpecialFile.Ends(() => Train(3)));
        error.Message.ShouldContain($"'{_folder[name]}' is a named pipe");
    }

    [Theory, InlineData(RunFolder.Journal), InlineData(RunFolder.Progress), InlineData(RunFolder.Progress + ".new"), InlineData(RunFolder.Command), InlineData("stop")]
    public void A_pipe_where_the_run_can_do_without_does_not_keep_it_from_training(string name)
    {
        SpecialFile.Pipe(_folder[name]);
        SpecialFile.Ends(() => Train(3)).FinalCheckpoint.ShouldBe("3");
    }

    [Theory, InlineData("3.step"), InlineData("model_tp0_pp0.safetensors")]
    public void A_copy_with_a_pipe_in_it_is_passed_over_by_name(string name)
    {
        Train(2);
        var more = new SampleTraining();
        Train(1, more);
        string file = _folder[$"3/{name}"];
        File.Exists(file).ShouldBeTrue();
        File.Delete(file);
        SpecialFile.Pipe(file);
        var resumed = new SampleTraining();
        SpecialFile.Ends(() => Train(1, resumed));
        resumed.Train.Step.ShouldBe(3);
        CatalogEntry damaged = CatalogEntry.At(new LocalFileSystem(_folder["abandoned"]), "3", SaveKind.Checkpoint, 3);
        SpecialFile.Ends(() => (damaged.Fault ?? Verifier.Verify(new LocalFileSystem(_folder["abandoned"]), damaged))!.Reason).ShouldNotBeEmpty();
    }

    private RunSummary Train(int steps, SampleTraining? training = null)
    {
        training ??= new SampleTraining();
        CheckpointManager checkpoints = training.Start(new LocalFileSystem(_folder.Path), new CheckpointOptions
        {
            Folder = _folder.Path,
            StopFile = _folder["stop"],
            CheckpointEvery = 1,
            HandleSignals = false,
        });
        try
        {
            for (int i = 0; i < steps; i++)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
            return checkpoints.Complete();
        }
        finally
        {
            checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }
}
