using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>A checkpoint loses its optimizer: at every moment it is complete with it or without it, and no restart takes it silently.</summary>
public class WeightsOnlyTests
{
    const string All = "context, model, optimizer", Weights = "context, model";

    [Theory, InlineData(false), InlineData(true)]
    public void What_only_a_restart_needs_goes_and_the_rest_is_as_it_was(bool isStore)
    {
        var ground = new PinGround(isStore);
        Save(ground.Publisher(), 10);
        CatalogEntry whole = CopyOf(ground.Files);
        Shrink(ground.Publisher(), ground.Files).ShouldBeTrue();
        CatalogEntry small = CopyOf(ground.Files);
        Verifier.Verify(ground.Files, small, TestContext.Current.CancellationToken).ShouldBeNull();
        small.Marker!.DroppedParts.ShouldBe("optimizer");
        small.Marker.Files.ShouldBe(whole.Marker!.Files.Where(file => !file.Name.StartsWith("optimizer", StringComparison.Ordinal)));
        Parts(ground.Files).ShouldBe(Weights);
        Names(ground.Files).ShouldNotContain(name => name.StartsWith("optimizer", StringComparison.Ordinal) || name.EndsWith(".smaller", StringComparison.Ordinal));
        Shrink(ground.Publisher(), ground.Files).ShouldBeFalse("there is nothing left to take");
    }

    [Fact]
    public void Parts_that_are_not_known_to_be_for_restarts_stay()
    {
        foreach (string part in (string[])["model", "context", "ema", "generator", "discriminator", "optimizers_notes", "randomness"])
            WeightsOnly.IsForRestarts(part).ShouldBeFalse(part);
        foreach (string part in (string[])["optimizer", "optimizer_generator", "scheduler", "scaler", "sampler", "random", "loader_2"])
            WeightsOnly.IsForRestarts(part).ShouldBeTrue(part);
    }

    [Fact]
    public void A_restart_passes_it_over_and_says_what_is_missing()
    {
        var ground = new PinGround(isStore: false);
        Save(ground.Publisher(), 10);
        Shrink(ground.Publisher(), ground.Files).ShouldBeTrue();
        ResumeChoice choice = ground.Run.Choose();
        choice.Chosen.ShouldBeNull();
        choice.PassedOver.ShouldHaveSingleItem().Reason.ShouldContain("it has only weights: optimizer went to save space");
        Named(["model"]).Chosen!.Step.ShouldBe(10);
        Named(["model", "context"]).Chosen!.Step.ShouldBe(10);
        Named(["model", "optimizer"]).Chosen.ShouldBeNull();

        ResumeChoice Named(string[] parts) => ResumeLadder.Choose(ground.Files, Catalog.Read(ground.Files), ground.Run.Record, static _ => null, parts: parts);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_power_cut_at_any_operation_leaves_it_complete_with_or_without_its_optimizer(bool canExchange)
    {
        var files = new SimulatedFileSystem { CanExchange = canExchange };
        Save(new RenamePublisher(files), 10);
        int from = files.Operations.Count;
        Shrink(new RenamePublisher(files), files).ShouldBeTrue();
        (int with, int without) = (0, 0);
        foreach (CrashState state in files.CrashStates(from))
        {
            new RenamePublisher(state.FileSystem).Recover();
            CatalogEntry copy = CopyOf(state.FileSystem, state.Description);
            Verifier.Verify(state.FileSystem, copy, TestContext.Current.CancellationToken).ShouldBeNull(state.Description);
            if (!copy.Marker!.IsWeightsOnly)
            {
                Parts(state.FileSystem).ShouldBe(All, state.Description);
                with++;
                continue;
            }
            without++;
            // What the cut left over is removed the next time.
            if (copy.LeftOver.Count > 0)
                new RenamePublisher(state.FileSystem).Shrink(copy, copy.Marker).ShouldBeTrue();
            Names(state.FileSystem).ShouldNotContain(name => name.StartsWith("optimizer", StringComparison.Ordinal), state.Description);
        }
        with.ShouldBePositive();
        without.ShouldBePositive();
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_kill_at_any_call_of_a_store_leaves_it_complete_with_or_without_its_optimizer(bool losesAnswer)
    {
        for (int at = 0, calls = 1; at < calls; at++)
        {
            var before = new MemoryRunStore();
            Save(new MarkerPublisher(before), 10);
            var store = new MemoryRunStore(before.Objects) { FailsAt = at, LosesAnswer = losesAnswer, IsKilledThere = true };
            try
            {
                Shrink(new MarkerPublisher(store), new StoreFiles(store));
            }
            catch (IOException)
            {
                // Killed.
            }
            calls = Math.Max(calls, store.Changes.Count + (store.Changes.Count > at ? 1 : 0));
            var files = new StoreFiles(store.Copy());
            string story = $"call {at}";
            CatalogEntry copy = CopyOf(files, story);
            Verifier.Verify(files, copy, TestContext.Current.CancellationToken).ShouldBeNull(story);
            Parts(files).ShouldBe(copy.Marker!.IsWeightsOnly ? Weights : All, story);
        }
    }

    // Whoever was told that a copy is pinned has it with all that it had.
    [Theory, InlineData(false), InlineData(true)]
    public void A_copy_that_is_pinned_at_any_moment_keeps_its_optimizer(bool isStore)
    {
        (int pinned, int refused) = (0, 0);
        for (int at = 0, operations = 1; at < operations; at++)
        {
            var ground = new PinGround(isStore);
            Save(ground.Publisher(), 10);
            // A pin must not take what this process began for left over.
            using IDisposable? training = ground.BeTrained();
            CheckpointPin? pin = null;
            operations = ground.Interrupted(at, () => pin = ground.TryPin(10), static (publisher, files) => Shrink(publisher, files));
            CatalogEntry copy = CopyOf(ground.Files);
            if (pin is not null && pin.Marker == CopyPins.DigestOf(copy))
                Parts(ground.Files).ShouldBe(copy.Marker!.IsWeightsOnly ? Weights : All, $"before operation {at}");
            else if (pin is not null)
                throw new Xunit.Sdk.XunitException($"before operation {at}: what was pinned is gone");
            _ = pin is null ? refused++ : pinned++;
        }
        pinned.ShouldBePositive();
        refused.ShouldBePositive();
    }

    static bool Shrink(ICopyPublisher publisher, IFileSource files) =>
        CopyOf(files) is var copy && WeightsOnly.Of(copy.Marker!) is { } smaller && publisher.Shrink(copy, smaller);

    static void Save(ICopyPublisher publisher, long step)
    {
        (string, StateMap)[] parts = [("model", Tensor()), ("optimizer", Tensor()), ("context", new StateMap { { "step", step } })];
        new CommitProtocol(publisher).Save(SampleRun.MarkerOf(new SampleRun(_ => publisher).Record, SaveKind.Checkpoint, step, CheckpointLayouts.Default), CheckpointLayouts.Of(CheckpointLayouts.Default).Plan(step, parts), refuseNonFinite: true);
    }

    static StateMap Tensor() => new() { { "w", new MemoryTensor(TensorType.U8, [8], new byte[8]) } };

    static CatalogEntry CopyOf(IFileSource files, string? story = null) => Catalog.Read(files).Entries.Where(entry => entry.Marker is not null).ShouldHaveSingleItem(story);

    static string Parts(IFileSource files)
    {
        using LoadedCheckpoint loaded = CheckpointReader.Open(files, "10");
        return string.Join(", ", loaded.Parts.Order(StringComparer.Ordinal));
    }

    static IEnumerable<string> Names(IFileSource files) => files.List("10").SelectMany(entry => entry.IsFolder ? files.List($"10/{entry.Name}") : [entry]).Select(entry => entry.Name);
}
