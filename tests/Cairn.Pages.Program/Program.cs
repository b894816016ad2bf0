using System.Globalization;
using Cairn;
using Cairn.Pages.Program;

// FOLDER STEPS [name=value …]: trains a run with a loss that falls as losses do. pause: milliseconds that a batch takes; second: what its clock says that it took; start: the clock's beginning; every: steps
// between checkpoints; snapshots: between snapshots; skip: a batch in so many is skipped; spike: the step at which the loss jumps; crash: the batch after which it kills itself; from, branch: where to go back to.
Dictionary<string, string> given = args.Skip(2).Select(argument => argument.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);
long Number(string name, long otherwise) => given.TryGetValue(name, out string? text) ? long.Parse(text, CultureInfo.InvariantCulture) : otherwise;
double second = given.TryGetValue("second", out string? seconds) ? double.Parse(seconds, CultureInfo.InvariantCulture) : 0;
int pause = (int)Number("pause", 0);
var clock = new Clock(given.TryGetValue("start", out string? start) ? DateTimeOffset.Parse(start, CultureInfo.InvariantCulture) : TimeProvider.System.GetUtcNow());
var options = new CheckpointOptions
{
    Folder = args[0], TotalSteps = long.Parse(args[1], CultureInfo.InvariantCulture), CheckpointEvery = Number("every", 500), SnapshotEvery = Number("snapshots", 100), KeepLast = (int)Number("keep", 4), HandleSignals = false,
    ResumeFrom = given.GetValueOrDefault("from"), Branch = given.GetValueOrDefault("branch"),
};
(var train, var model) = (new TrainState(), new Model((int)Number("numbers", 20_000)));
await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [model], time: clock);
Console.WriteLine($"begins {train.Step}");
var random = new Random((int)(Number("seed", 7) + train.Batch));
while (!train.IsComplete && !checkpoints.StopRequested)
{
    clock.Forward(TimeSpan.FromSeconds(second * (0.97 + 0.06 * random.NextDouble() + (random.Next(60) == 0 ? 0.8 : 0))));
    if (pause > 0)
        await Task.Delay(pause);
    if (Number("skip", 0) is > 0 and var every && random.NextInt64(every) == 0)
        train.SkipBatch(TrainState.OverflowReason, samples: 32, tokens: 65_536);
    else
    {
        double step = train.Step + 1, loss = 1.9 + 8.2 / Math.Pow(1 + step / 40.0, 0.62) + 0.12 * (random.NextDouble() - 0.5) + Number("offset", 0) / 100.0;
        double rate = 3e-4 * Math.Min(1, step / 200) * (0.1 + 0.9 * (1 + Math.Cos(Math.PI * step / options.TotalSteps.Value)) / 2);
        model.Train(train.Step);
        train.CompleteStep(samples: 32, tokens: 65_536, loss: step == Number("spike", 0) ? 9.7 : loss, learningRate: rate);
    }
    checkpoints.AfterBatch();
    if (train.Batch == Number("crash", -1))
    {
        Console.WriteLine("killed");
        Environment.FailFast(null);
    }
}
Console.WriteLine(checkpoints.Complete());
