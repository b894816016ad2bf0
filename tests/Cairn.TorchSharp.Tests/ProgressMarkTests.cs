using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>Parts tell that a batch has begun to change them, and stay silent about what changes nothing.</summary>
public class ProgressMarkTests
{
    [Theory, InlineData("adamw"), InlineData("sgd"), InlineData("rmsprop"), InlineData("adagrad")]
    public void An_optimizer_that_has_stepped_says_so(string kind)
    {
        using var model = nn.Sequential(("a", nn.Linear(3, 4)), ("b", nn.Linear(4, 2)));
        using optim.Optimizer optimizer = kind switch
        {
            "adamw" => optim.AdamW(model.parameters()),
            "sgd" => optim.SGD(model.parameters(), 0.1),
            "rmsprop" => optim.RMSProp(model.parameters()),
            _ => optim.Adagrad(model.parameters()),
        };
        var part = new OptimizerPart(optimizer, model);
        ulong before = part.ProgressMark;
        using (Tensor loss = model.call(ones(5, 3)).sum())
            loss.backward();
        part.Capture();
        part.ProgressMark.ShouldBe(before);
        optimizer.step();
        ulong after = part.ProgressMark;
        after.ShouldNotBe(before);
        optimizer.step();
        part.ProgressMark.ShouldNotBe(after);
        part.MarksUpdates.ShouldBeTrue();
    }

    [Fact]
    public void A_sampler_that_has_drawn_says_so()
    {
        var sampler = new ResumableSampler(10);
        ulong before = sampler.ProgressMark;
        _ = sampler.Capture();
        sampler.ProgressMark.ShouldBe(before);
        _ = sampler.NextBatch(10);
        sampler.ProgressMark.ShouldNotBe(before);
        sampler.MarksUpdates.ShouldBeFalse();
    }

    [Fact]
    public async Task An_exception_in_the_middle_of_an_update_leaves_no_final_checkpoint_and_one_after_a_batch_does()
    {
        (await EndAsync(throwsWithin: true)).ShouldBeEmpty();
        (await EndAsync(throwsWithin: false)).ShouldBe(["3"]);
    }

    private static async Task<string[]> EndAsync(bool throwsWithin)
    {
        string folder = Directory.CreateTempSubdirectory("cairn").FullName;
        try
        {
            using var model = nn.Linear(3, 2);
            using var optimizer = optim.AdamW(model.parameters());
            var train = new TrainState();
            await Should.ThrowAsync<InvalidOperationException>(async () =>
            {
                await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(
                    new CheckpointOptions { Folder = folder, HandleSignals = false }, train, TorchState.Parts(model, optimizer), cancellationToken: TestContext.Current.CancellationToken);
                while (true)
                {
                    optimizer.zero_grad();
                    using (Tensor loss = model.call(ones(5, 3)).sum())
                        loss.backward();
                    optimizer.step();
                    if (train.Step == 3 && throwsWithin)
                        throw new InvalidOperationException("in the middle");
                    train.CompleteStep();
                    checkpoints.AfterBatch();
                    if (train.Step == 3 && !throwsWithin)
                        throw new InvalidOperationException("between two batches");
                }
            });
            return [.. Directory.GetDirectories(folder).Select(path => Path.GetFileName(path)!).Where(name => char.IsAsciiDigit(name[0]))];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
