using Cairn;
using Cairn.Configuration;
using Cairn.TorchSharp;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

// Settings are those of appsettings.json; the command line wins: --Checkpoints:Folder runs/second --Checkpoints:TotalSteps 5000
IConfiguration settings = new ConfigurationBuilder()
    .AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"))
    .AddCommandLine(args)
    .Build();
using ILoggerFactory loggers = LoggerFactory.Create(logging => logging
    .AddConfiguration(settings.GetSection("Logging"))
    .AddSimpleConsole(console => console.SingleLine = true));
ILogger log = loggers.CreateLogger("Training");

int batchSize = settings.GetValue("Training:BatchSize", 32);
double learningRate = settings.GetValue("Training:LearningRate", 0.01);
long seed = settings.GetValue("Training:Seed", 1L);
var options = new CheckpointOptions();
foreach (string note in CheckpointConfiguration.Bind(settings.GetSection("Checkpoints"), options))
    log.LogWarning("{Note}", note);

// Yours: the data, the model and the optimizer. Build them before StartAsync, which puts the saved state into them.
manual_seed(seed);
using var inputs = randn(10_000, 3);
using var targets = inputs.sin().sum(1, keepdim: true);
using var model = nn.Sequential(("hidden", nn.Linear(3, 64)), ("act", nn.Tanh()), ("out", nn.Linear(64, 1)));
using var optimizer = optim.AdamW(model.parameters(), lr: learningRate);
var scheduler = optim.lr_scheduler.StepLR(optimizer, step_size: 500, gamma: 0.5);
var sampler = new ResumableSampler(datasetSize: 10_000, seed: seed);

var train = new TrainState();
await using var checkpoints = await CheckpointManager.StartAsync(
    options, train, TorchState.Parts(model, optimizer, scheduler, sampler), loggers);

while (!train.IsComplete && !checkpoints.StopRequested)
{
    using var scope = NewDisposeScope();
    using var rows = tensor(sampler.NextBatch(batchSize));
    var loss = nn.functional.mse_loss(model.call(inputs.index(rows)), targets.index(rows));
    optimizer.zero_grad();
    loss.backward();
    float value = loss.item<float>();
    if (float.IsFinite(value))
    {
        optimizer.step();
        scheduler.step();
        train.CompleteStep(samples: batchSize, loss: value);
        if (train.Step % 100 == 0)
            log.LogInformation("step {Step}: loss {Loss:F5}", train.Step, value);
    }
    else
        train.SkipBatch("loss not finite", samples: batchSize);
    checkpoints.AfterBatch();   // saves what is due
}
checkpoints.Complete();         // saves the last step, if it is not yet, and logs what the run did
