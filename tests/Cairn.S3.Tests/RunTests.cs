using System.Diagnostics;
using System.Globalization;

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
            using Process program = Launch(address);
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

    private Process Launch(S3Address address)
    {
        string[] command = [Path.Combine(AppContext.BaseDirectory, "Cairn.S3.Program.dll"), address.ToString(), Numbers.ToString(CultureInfo.InvariantCulture)];
        var start = new ProcessStartInfo("dotnet", command) { UseShellExecute = false, RedirectStandardOutput = true };
        (start.Environment["AWS_ACCESS_KEY_ID"], start.Environment["AWS_SECRET_ACCESS_KEY"], start.Environment["AWS_ENDPOINT_URL"]) = (gateway.AccessKey, gateway.SecretKey, gateway.Endpoint.ToString());
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
