using System.CommandLine;
using Cairn;
using Cairn.S3;
using Microsoft.Extensions.Options;
using TinyLm;
using TinyLm.Parallel;

// A full disk under the log must not end what is trained.
Console.SetOut(new SteadyWriter(Console.Out));
Console.SetError(new SteadyWriter(Console.Error));
// So that --run and --resume-from may be addresses.
S3RunStores.Register();

var parsed = new CommandLine()
    .Create(async options =>
    {
        try
        {
            using var job = RankStart.Join(options);
            using var view = RankStart.ViewOf(options, job);
            try
            {
                return await Training.RunAsync(options, job, view, TimeProvider.System);
            }
            catch (Exception e) when (e is CheckpointException or OptionsValidationException && job.Ranks.Size > 1)
            {
                // The others need not wait for this rank.
                job.Fail(e.Message);
                throw new CheckpointException($"rank {job.Ranks.Rank}: {e.Message}", e);
            }
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
