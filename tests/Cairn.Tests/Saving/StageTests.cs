using System.Runtime.CompilerServices;
using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.State;
using Cairn.Tests.Ranks;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>Each stage of a save alone: what it needs of those before, and what it leaves.</summary>
public class StageTests
{
    private readonly SimulatedFileSystem _files = new();
    private readonly RenamePublisher _publisher;

    public StageTests() => _publisher = new RenamePublisher(_files);

    [Fact]
    public void Planning_names_the_files_and_writes_nothing()
    {
        SaveInProgress save = SaveOf(SaveKind.Checkpoint);
        new PlanStage().Run(save);
        save.Plan.Files.Select(file => file.Name).ShouldBe(["model_tp0_pp0.safetensors"]);
        _files.AllFiles().ShouldBeEmpty();
    }

    [Fact]
    public void What_cannot_be_planned_ends_the_save_before_a_place_is_made()
    {
        var save = new SaveInProgress(RankGroup.Single, MarkerOf(SaveKind.Checkpoint), () => throw new CheckpointException("no form"), refuseNonFinite: true, RankGroup.StandardTimeout);
        Should.Throw<CheckpointException>(() => new CommitProtocol(_publisher).Save(save)).Message.ShouldBe("no form");
        save.Place.ShouldBeNull();
        _files.AllFiles().ShouldBeEmpty();
    }

    [Fact]
    public void Preparing_makes_a_place_that_is_no_copy()
    {
        SaveInProgress save = SaveOf(SaveKind.Checkpoint);
        Run(save, new PlanStage(), new PrepareStage(_publisher, static () => TimeSpan.Zero));
        _files.FolderExists(save.Place.ShouldNotBeNull()).ShouldBeTrue();
        Catalog.Read(_files).Entries.ShouldBeEmpty();
    }

    [Fact]
    public void Writing_leaves_every_hash_and_no_marker()
    {
        SaveInProgress save = SaveOf(SaveKind.Checkpoint);
        Run(save, new PlanStage(), new PrepareStage(_publisher, static () => TimeSpan.Zero), new WriteStage(_publisher));
        MarkedFile written = save.Written.ShouldHaveSingleItem().Files.ShouldHaveSingleItem();
        written.Length.ShouldBe(_files.List(save.Place!).ShouldHaveSingleItem().Length);
        save.IsPublishing.ShouldBeFalse();
    }

    [Fact]
    public void A_snapshot_of_bad_weights_ends_after_it_was_written_and_leaves_nothing()
    {
        SaveInProgress save = SaveOf(SaveKind.Snapshot, value: float.NaN);
        Should.Throw<NonFiniteStateException>(() => new CommitProtocol(_publisher).Save(save)).Tensor.ShouldBe("w");
        save.Written.ShouldNotBeEmpty();
        _files.List(RunFolder.Staging).ShouldBeEmpty();
    }

    [Fact]
    public void Sealing_misses_the_file_of_another_rank()
    {
        var group = new RankGroup(new InProcessRanks(2).Transport(0), new World(1, 1, 2, 1));
        _files.CreateFolder("place");
        var save = new SaveInProgress(group, MarkerOf(SaveKind.Checkpoint), static () => [], refuseNonFinite: true, RankGroup.StandardTimeout)
        {
            Place = "place",
            Written = [new RankReport([], null), new RankReport([new MarkedFile("b.safetensors", 8, ChunkHashes.Whole(0))], null)],
        };
        new SealStage(_publisher).Run(save);
        // Its error is what the next agreement would tell all ranks.
        bool goesOn = false;
        save.Work.Try(() => goesOn = true);
        goesOn.ShouldBeFalse();
        _files.List("place").ShouldBeEmpty();
    }

    [Fact]
    public void Only_publishing_makes_a_copy()
    {
        SaveInProgress save = SaveOf(SaveKind.Checkpoint);
        Run(save, new PlanStage(), new PrepareStage(_publisher, static () => TimeSpan.Zero), new WriteStage(_publisher), new SealStage(_publisher));
        Catalog.Read(_files).Entries.ShouldBeEmpty();
        new PublishStage(_publisher).Run(save);
        save.Copy.ShouldNotBeNull().Entry.Folder.ShouldBe("7");
        Catalog.Read(_files).Entries.ShouldHaveSingleItem().Step.ShouldBe(7);
    }

    [Fact]
    public void What_was_captured_does_not_hold_the_live_state()
    {
        using var pool = new StagingPool();
        (CopyContent content, WeakReference live) = Captured(new StateCapture(pool));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        live.IsAlive.ShouldBeFalse();
        content.Plan().ShouldHaveSingleItem().Length.ShouldBeGreaterThan(4);
        content.Dispose();
    }

    // Its locals are gone when it has returned.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (CopyContent Content, WeakReference Live) Captured(StateCapture capture)
    {
        StateMap live = Model(1);
        return (CopyContent.Capture(capture, CheckpointLayouts.Of(CheckpointLayouts.Default), new PlanMemory(), 7, [new RankPart("model", PartScope.Shared, live)], RankGroup.Single, overlap: false), new WeakReference(live["w"]));
    }

    private static void Run(SaveInProgress save, params ISaveStage[] stages)
    {
        foreach (ISaveStage stage in stages)
            stage.Run(save);
    }

    private static SaveInProgress SaveOf(SaveKind kind, float value = 1) =>
        new(RankGroup.Single, MarkerOf(kind), () => CairnLayout.Plan([("model", Model(value))]), refuseNonFinite: true, RankGroup.StandardTimeout);

    private static Marker MarkerOf(SaveKind kind) => SampleRun.MarkerOf(new RunRecord("run", DateTimeOffset.UnixEpoch, Lineage.New, null), kind, 7, CheckpointLayouts.Default);

    private static StateMap Model(float value) => new() { { "w", new MemoryTensor(TensorType.F32, [1], BitConverter.GetBytes(value)) } };
}
