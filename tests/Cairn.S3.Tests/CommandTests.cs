namespace Cairn.S3.Tests;

/// <summary>The command on runs in an object store.</summary>
public class CommandTests(ObjectGateway gateway)
{
    private const int WrongUse = 3;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runs_are_listed_verified_shown_and_compared_and_not_changed()
    {
        S3Address address = ObjectGateway.NewAddress();
        await using var store = new S3RunStore(address, gateway.Options);
        (var train, var model) = (new TrainState(), new Program.Counting(1000));
        await using (CheckpointManager run = await CheckpointManager.StartAsync(new CheckpointOptions { Store = store, CheckpointEvery = 5, Asynchronous = false, HandleSignals = false }, train, [model], cancellationToken: Token))
        {
            while (train.Step < 12)
            {
                model.Value++;
                train.CompleteStep();
                run.AfterBatch();
            }
            run.Complete();
        }
        (await CommandAsync("ls", address.ToString())).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0), said => said.Output.ShouldContain("A restart takes 12/."));
        (await CommandAsync("ls", $"{address}/10")).Output.ShouldContain("1 checkpoint");
        (await CommandAsync("verify", address.ToString())).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0), said => said.Output.ShouldContain("0 bad"));
        (await CommandAsync("show", address.ToString())).Output.ShouldContain("checkpoint of step 12");
        (await CommandAsync("diff", $"{address}/5", $"{address}/10")).Output.ShouldContain("model");
        (await CommandAsync("prune", address.ToString(), "--keep-last", "2", "--yes")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(WrongUse), said => said.Output.ShouldContain("is in a store"));
        (await CommandAsync("ls", $"{address}/nothing")).Code.ShouldBe(WrongUse);

        await store.DeleteAsync("10/10.step", Token);
        (await CommandAsync("ls", address.ToString())).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(1), said => said.Output.ShouldContain("incomplete"));
    }

    private Task<(int Code, string Output)> CommandAsync(params string[] arguments) => CairnCommand.RunAsync(gateway, Token, arguments);
}
