using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;

namespace Cairn.S3.Tests;

/// <summary>Runs that live in an object store.</summary>
public class RunTests(ObjectGateway gateway)
{
    // 20 MB: the model comes in parts.
    private const int Numbers = 5_000_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_that_is_killed_again_and_again_goes_on_from_a_whole_copy()
    {
        S3Address address = ObjectGateway.NewAddress();
        await using var store = new S3RunStore(address, gateway.Options);
        long saved = 0;
        for (int round = 0; round < 3; round++)
        {
            // By turns as AWS's tools name the place and the keys, and as InternLM does.
            using Process program = round % 2 == 0
                ? Launch(address.ToString(), ("AWS_ACCESS_KEY_ID", gateway.AccessKey), ("AWS_SECRET_ACCESS_KEY", gateway.SecretKey), ("AWS_ENDPOINT_URL", gateway.Endpoint.ToString()))
                : Launch($"boto3:s3://{address.Bucket}.{gateway.Endpoint.Authority}/{address.Prefix}", ("S3_ACCESS_KEY_ID", gateway.AccessKey), ("S3_SECRET_ACCESS_KEY_ID", gateway.SecretKey));
            (await ReadAsync(program, "begins ")).ShouldBeGreaterThanOrEqualTo(saved);
            for (int saves = 0; saves < 3; saves++)
                saved = await ReadAsync(program, "Saved ");
            program.Kill();
            await program.WaitForExitAsync(Token);
        }
        (var train, var model) = (new TrainState(), new Program.Counting(Numbers));
        await using CheckpointManager run = await CheckpointManager.StartAsync(new CheckpointOptions { Store = store, HandleSignals = false }, train, [model], cancellationToken: Token);
        train.Step.ShouldBeGreaterThanOrEqualTo(saved);
        model.Value.ShouldBe(train.Step);
        model.IsWhole.ShouldBeTrue();
        run.Complete();
        (await store.ListAsync(".staging", Token)).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_address_is_enough_for_a_run_and_for_another_that_begins_where_it_ended()
    {
        var services = new ServiceCollection();
        services.AddCairnS3(options => (options.Endpoint, options.AccessKeyId, options.SecretAccessKey) = (gateway.Endpoint, gateway.AccessKey, gateway.SecretKey));
        string run = ObjectGateway.NewAddress().ToString(), next = ObjectGateway.NewAddress().ToString();
        await Train(new CheckpointOptions { Folder = run }, until: 3);
        await Train(new CheckpointOptions { Folder = run }, until: 5);
        await Train(new CheckpointOptions { Folder = next, ResumeFrom = run }, until: 6);
        await Train(new CheckpointOptions { Folder = ObjectGateway.NewAddress().ToString(), ResumeFrom = $"{next}/6" }, until: 7);
    }

    private static async Task Train(CheckpointOptions options, long until)
    {
        options.HandleSignals = false;
        (var train, var model) = (new TrainState(), new Program.Counting(10));
        await using CheckpointManager run = await CheckpointManager.StartAsync(options, train, [model], cancellationToken: Token);
        model.Value.ShouldBe(train.Step);
        while (train.Step < until)
        {
            model.Value++;
            train.CompleteStep();
            run.AfterBatch();
        }
        run.Complete().FinalCheckpoint.ShouldBe($"{until}");
    }

    private static Process Launch(string address, params (string Name, string Value)[] variables)
    {
        string[] command = [Path.Combine(AppContext.BaseDirectory, "Cairn.S3.Program.dll"), address, Numbers.ToString(CultureInfo.InvariantCulture)];
        var start = new ProcessStartInfo("dotnet", command) { UseShellExecute = false, RedirectStandardOutput = true };
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    // The number in the next line that begins so.
    private static async Task<long> ReadAsync(Process program, string beginning)
    {
        while (await program.StandardOutput.ReadLineAsync(Token) is { } line)
        {
            if (line.StartsWith(beginning, StringComparison.Ordinal))
                return long.Parse(line.AsSpan(beginning.Length), NumberStyles.None, CultureInfo.InvariantCulture);
        }
        throw new InvalidOperationException("The program has ended.");
    }
}
