using System.CommandLine;
using Cairn;
using Microsoft.Extensions.Options;
using TinyLm;
using TinyLm.Parallel;

var parsed = new CommandLine()
    .Create(async options =>
    {
        try
        {
            using var job = RankTraining.Start(options);
            if (job.Ranks.Size > 1)
            {
                // Open MPI gives its ranks terminals of their own; what they print is a log all the same.
                using var log = new PlainProgressView(Console.Out, options.LogEvery);
                return RankTraining.Run(options, job, log, TimeProvider.System);
            }
            using var view = ProgressView.Create(options.LogEvery);
            return await Training.RunAsync(options, view, TimeProvider.System);
        }
        catch (Exception e) when (e is CheckpointException or OptionsValidationException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return CommandLine.Failed;
        }
    })
    .Parse(args);

if (parsed.Errors.Count > 0)
{
    foreach (var error in parsed.Errors)
    {
        await Console.Error.WriteLineAsync(error.Message);
    }
    await Console.Error.WriteLineAsync("Type --help to see all options.");
    return CommandLine.UsageError;
}
// Cairn handles SIGTERM and SIGINT: the end is saved, however long that takes.
return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
