using Cairn.State;
using Cairn.Tests.Manager;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;
using LRScheduler = TorchSharp.torch.optim.lr_scheduler.LRScheduler;

namespace Cairn.TorchSharp.Tests;

/// <summary>A resume into a program whose settings were changed since.</summary>
public sealed class SettingsTests
{
    [Theory]
    [MemberData(nameof(SchedulerPartTests.Names), MemberType = typeof(SchedulerPartTests))]
    public void The_same_scheduler_differs_in_nothing_however_far_it_has_come(string name)
    {
        using Run trained = new(1, Sgd), started = new(1, Sgd);
        LRScheduler scheduler = SchedulerPartTests.Create(name, trained.Optimizer);
        for (int i = 0; i < 10; i++)
        {
            trained.Train(i, 1);
            if (name == "ReduceLROnPlateau")
                scheduler.step(1.0);
            else
                scheduler.step();
        }
        var live = new SchedulerPart(SchedulerPartTests.Create(name, started.Optimizer));
        Differences(live, new SchedulerPart(scheduler).Capture().Copy()).ShouldBeEmpty();
        // These two move the momentum as well, and an optimizer does not tell who moved it.
        if (!name.StartsWith("CyclicLR", StringComparison.Ordinal) && !name.StartsWith("OneCycleLR", StringComparison.Ordinal))
            Differences(started.Part, trained.Part.Capture().Copy()).ShouldBeEmpty();
    }

    [Fact]
    public void Changed_options_of_an_optimizer_are_listed_and_the_programs_scale_the_rate_that_a_scheduler_has_moved()
    {
        using Run trained = new(1, m => AdamW(m.parameters(), 0.01, weight_decay: 0.1)), changed = new(2, m => AdamW(m.parameters(), 0.002, beta1: 0.8, weight_decay: 0.3));
        LRScheduler scheduler = lr_scheduler.StepLR(trained.Optimizer, 1, 0.5);
        trained.Train(0, 1);
        scheduler.step();
        StateMap saved = trained.Part.Capture().Copy();
        var differences = new List<SettingDifference>();
        StateMap own = changed.Part.WithProgramSettings(saved, differences);
        differences.Select(difference => (difference.Name, difference.Saved, difference.Program)).ShouldBe(
            [("groups.0.initial_lr", "0.01", "0.002"), ("groups.0.betas", "[0.9, 0.999]", "[0.8, 0.999]"), ("groups.0.weight_decay", "0.1", "0.3")], ignoreOrder: true);
        changed.Part.Restore(own);
        var group = (StateMap)((StateList)changed.Part.Capture()["groups"])[0];
        ((double)((StateScalar)group["lr"]).Value!).ShouldBe(0.001, 1e-12, "half of the program's rate, as the scheduler had halved the saved one");
        ((StateScalar)group["weight_decay"]).Value.ShouldBe(0.3);
        changed.Part.Capture()["state"].ShouldHoldTheSameAs(saved["state"]);
    }

    [Fact]
    public void An_option_that_the_moments_depend_on_stays_as_saved()
    {
        using Run trained = new(1, m => Adam(m.parameters(), 0.01)), changed = new(2, m => Adam(m.parameters(), 0.01, amsgrad: true));
        trained.Train(0, 1);
        var differences = new List<SettingDifference>();
        StateMap own = changed.Part.WithProgramSettings(trained.Part.Capture().Copy(), differences);
        differences.ShouldHaveSingleItem().Only.ShouldBe(SettingsSource.Saved);
        changed.Part.Restore(own);
        changed.Train(1, 1);
    }

    [Theory, InlineData(SettingsSource.Saved), InlineData(SettingsSource.Program)]
    public async Task A_resume_lists_what_the_program_says_otherwise_and_the_option_says_which_holds(SettingsSource source)
    {
        string folder = Directory.CreateTempSubdirectory("cairn-").FullName;
        try
        {
            CheckpointOptions options = new() { Folder = folder, CheckpointEvery = 2, TotalSteps = 4, Asynchronous = false, HandleSignals = false };
            using (Run trained = new(1, Sgd))
            {
                LRScheduler scheduler = lr_scheduler.MultiStepLR(trained.Optimizer, [1, 9], 0.5);
                var sampler = new ResumableSampler(100, seed: 1);
                var train = new TrainState();
                await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [trained.Part, new SchedulerPart(scheduler), sampler], cancellationToken: TestContext.Current.CancellationToken);
                checkpoints.Resume.Settings.ShouldBeEmpty();
                for (int i = 0; i < 2; i++)
                {
                    sampler.NextBatch(4);
                    trained.Train(i, 1);
                    scheduler.step();
                    train.CompleteStep(samples: 4);
                    checkpoints.AfterBatch();
                }
            }
            (options.TotalSteps, options.ResumeSettings) = (8, source);
            using Run changed = new(2, m => SGD(m.parameters(), 0.2, momentum: 0.5));
            LRScheduler other = lr_scheduler.MultiStepLR(changed.Optimizer, [3, 4, 5], 0.5);
            var reseeded = new ResumableSampler(100, seed: 7);
            using var log = new RecordedLog();
            await using CheckpointManager resumed = await CheckpointManager.StartAsync(options, new TrainState(), [changed.Part, new SchedulerPart(other), reseeded], log, cancellationToken: TestContext.Current.CancellationToken);
            resumed.Resume.Step.ShouldBe(2);
            IReadOnlyList<SettingDifference> settings = resumed.Resume.Settings;
            settings.Select(difference => $"{difference.Part}.{difference.Name}").ShouldBe(
                ["optimizer.groups.0.initial_lr", "optimizer.groups.0.momentum", "scheduler.base_lrs", "scheduler.milestones", "sampler.seed", "context.total_steps"], ignoreOrder: true);
            settings.Where(difference => difference.Part != "context").ShouldAllBe(difference => difference.Holds == source);
            settings.Single(difference => difference.Part == "context").Holds.ShouldBe(SettingsSource.Program);
            log.At(LogLevel.Warning).Count(line => line.StartsWith("Settings differ: ", StringComparison.Ordinal)).ShouldBe(settings.Count);
            reseeded.Seed.ShouldBe(source == SettingsSource.Saved ? 1 : 7);
            reseeded.Position.ShouldBe(8);
            StateMap scheduled = new SchedulerPart(other).Capture();
            ((StateList)scheduled["milestones"]).Count.ShouldBe(source == SettingsSource.Saved ? 2 : 3);
            ((StateScalar)scheduled["last_epoch"]).Value.ShouldBe(2L);
            string journal = await File.ReadAllTextAsync(Path.Join(folder, "journal.jsonl"), TestContext.Current.CancellationToken);
            journal.ShouldContain("\"name\":\"seed\",\"saved\":\"1\",\"program\":\"7\"");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static Optimizer Sgd(nn.Module module) => SGD(module.parameters(), 0.1, momentum: 0.9);

    static List<SettingDifference> Differences(ISettingsPart part, StateMap saved)
    {
        var differences = new List<SettingDifference>();
        StateMap own = part.WithProgramSettings(saved, differences);
        own.ShouldHoldTheSameAs(saved);
        return differences;
    }
}
