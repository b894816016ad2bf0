using Cairn.Stores;
using Cairn.TensorBoard;
using Cairn.Tests.Manager;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging;

namespace Cairn.Tests.Running;

/// <summary>A run that writes curves for TensorBoard; what stands in the files is read in tests/Cairn.TorchSharp.Tests.</summary>
public sealed class RunBoardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task A_folder_that_cannot_be_made_is_one_line_in_the_log_and_nothing_to_training()
    {
        File.WriteAllText(_folder["file"], "");
        var log = new RecordedLog();
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = Start(Options(Path.Join(_folder["file"], "board")), training, log);
        do
            training.Batch();
        while (checkpoints.AfterBatch());
        checkpoints.Complete();
        training.Train.Step.ShouldBe(20);
        log.At(LogLevel.Warning).ShouldHaveSingleItem().ShouldContain($"The event file for TensorBoard in {_folder["file"]}");
        log.At(LogLevel.Error).ShouldBeEmpty();
    }

    [Fact]
    public void Of_many_ranks_the_first_writes_and_all_name_the_folder_as_each_copy_does()
    {
        var files = new SimulatedFileSystem();
        var job = new JobOfThreads(files);
        job.Run(JobTests.Four, rank =>
        {
            CheckpointOptions options = Options(_folder["board"]);
            rank.Train(rank.Start(options), 20);
            rank.Training.Train.LogFolder.ShouldBe(_folder["board"]);
        });
        byte[] written = File.ReadAllBytes(Directory.GetFiles(_folder["board"]).ShouldHaveSingleItem());
        written.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(RunScalars.Loss)).ShouldBePositive();
        System.Text.Encoding.UTF8.GetString(SmallFile.Read(files, "20/20.step", 1 << 20)).ShouldContain(_folder["board"]);
    }

    public void Dispose() => _folder.Dispose();

    private static CheckpointManager Start(CheckpointOptions options, SampleTraining training, ILoggerFactory log) => CheckpointManager.Start(new SimulatedFileSystem(), options, training.Train, [training.Weights], log);

    private static CheckpointOptions Options(string board) => new() { TensorBoardFolder = board, TotalSteps = 20, CheckpointEvery = 10, SnapshotEvery = 5, Asynchronous = false, HandleSignals = false };
}
