using Cairn;
using Cairn.S3;
using Cairn.S3.Program;

// ADDRESS NUMBERS: trains a model of that many numbers in an object store until it is killed, and says what was saved, a line for each.
S3RunStores.Register();
var options = new CheckpointOptions { Folder = args[0], CheckpointEvery = 5, SnapshotEvery = 2, LeaseDuration = TimeSpan.FromSeconds(5), HandleSignals = false };
(var train, var model) = (new TrainState(), new Counting(int.Parse(args[1], null)));
await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [model]);
Console.WriteLine($"begins {train.Step}");
checkpoints.SaveEnded += static (_, report) => Console.WriteLine($"{report.Outcome} {report.Step}");
while (true)
{
    model.Value++;
    train.CompleteStep();
    checkpoints.AfterBatch();
}
