using Tensorboard;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>What a run writes for TensorBoard, read back by TensorBoard's own message classes.</summary>
public sealed class TensorBoardTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("cairn-tensorboard-").FullName;

    [Fact]
    public async Task A_run_that_is_taken_back_writes_a_second_file_and_its_curves_have_each_step_once()
    {
        await TrainAsync(from: null, steps: 12, loss: step => step == 3 ? double.NaN : step);
        await TrainAsync(from: "5", steps: 9, loss: step => 100 + step);

        string[] files = [.. Directory.GetFiles(Board).Order(StringComparer.Ordinal)];
        files.Length.ShouldBe(2);
        List<Event> first = EventFileReader.Read(files[0]), second = EventFileReader.Read(files[1]);
        first[0].FileVersion.ShouldBe("brain.Event:2");
        (first[1].SessionLog.Status, first[1].Step).ShouldBe((SessionLog.Types.SessionStatus.Start, 1));
        (second[1].SessionLog.Status, second[1].Step).ShouldBe((SessionLog.Types.SessionStatus.Start, 6));
        DateTimeOffset.UnixEpoch.AddSeconds(second[1].WallTime).ShouldBe(TimeProvider.System.GetUtcNow(), TimeSpan.FromHours(1));

        Dictionary<string, List<(long Step, float Value)>> curves = EventFileReader.Curves(Board);
        curves["train/loss"].ShouldBe([(1, 1), (2, 2), (3, float.NaN), (4, 4), (5, 5), (6, 106), (7, 107), (8, 108), (9, 109)]);
        curves["train/learning_rate"].ShouldAllBe(point => point.Value == 0.5f);
        curves["train/tokens_per_second"].Select(point => point.Step).ShouldBe(Enumerable.Range(1, 9).Select(step => (long)step));
        curves["train/seconds_per_batch"].ShouldAllBe(point => point.Value > 0);
        curves["validation_loss"].ShouldBe([(4, 8), (8, 16)]);
        curves["cairn/save/bytes"].Select(point => point.Step).ShouldBe([5, 9]);
        curves["cairn/save/bytes"].ShouldAllBe(point => point.Value > 100);
        curves["cairn/save/stall_seconds"].Count.ShouldBe(2);
        curves["cairn/save/durable_seconds"].ShouldAllBe(point => point.Value > 0);
        curves.ShouldNotContainKey("cairn/save/recoverable_seconds");
    }

    [Fact]
    public async Task The_reader_reads_what_TorchSharp_writes_too_and_sees_a_bit_that_is_flipped_in_either()
    {
        string theirs = Path.Combine(_folder, "theirs");
        var writer = utils.tensorboard.SummaryWriter(theirs);
        writer.add_scalar("train/loss", 1, 1);
        writer.add_scalar("train/loss", 2, 2);
        await TrainAsync(from: null, steps: 2, loss: step => step);

        EventFileReader.Curves(theirs)["train/loss"].ShouldBe(EventFileReader.Curves(Board)["train/loss"]);
        foreach (string folder in (string[])[theirs, Board])
        {
            string file = Directory.GetFiles(folder).ShouldHaveSingleItem();
            byte[] bytes = File.ReadAllBytes(file);
            bytes[^6] ^= 1;
            File.WriteAllBytes(file, bytes);
            Should.Throw<InvalidDataException>(() => EventFileReader.Read(file));
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string Board => Path.Combine(_folder, "board");

    async Task TrainAsync(string? from, int steps, Func<long, double> loss)
    {
        var train = new TrainState();
        var options = new CheckpointOptions { Folder = Path.Combine(_folder, "run"), TensorBoardFolder = Board, TotalSteps = steps, CheckpointEvery = Math.Min(5, steps), SnapshotEvery = 0, ResumeFrom = from, Branch = from is null ? null : "again", HandleSignals = false };
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, []);
        train.LogFolder.ShouldBe(Board);
        // Before the first step of this process: it makes no second point of the step that stands.
        train.SkipBatch("test");
        checkpoints.AfterBatch();
        checkpoints.Run(() =>
        {
            train.CompleteStep(tokens: 10, loss: loss(train.Step + 1), learningRate: 0.5);
            if (train.Step % 4 == 0)
                train.Metrics["validation_loss"] = 2 * train.Step;
        });
    }
}
