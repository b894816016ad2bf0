using TinyLm;

var parsed = new CommandLine()
    .Create(async (options, cancellationToken) =>
    {
        using var view = ProgressView.Create(options.LogEvery);
        return await Training.RunAsync(options, view, TimeProvider.System, cancellationToken);
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
return await parsed.InvokeAsync();
