using Cairn.Opening;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>Run folders whose parts lie on different file systems.</summary>
public class SplitStoreTests
{
    [Fact]
    public async Task A_run_that_began_in_a_lower_layer_of_an_overlay_goes_on_in_both_tiers()
    {
        using var folder = new TemporaryFolder();
        foreach (string name in (string[])["lower", "upper", "work", "merged"])
            Directory.CreateDirectory(folder[name]);
        await Train(new LocalFileSystem(folder["lower/run"]), 55);
        Steps(new LocalFileSystem(folder["lower/run"])).ShouldBe([55, 54, 51, 50]);
        using Mounted overlay = Mounted.Overlay(folder["merged"], folder["lower"], folder["upper"], folder["work"]);
        var files = new LocalFileSystem(folder["merged/run"]);
        await Train(files, 105);
        Steps(files).ShouldBe([105, 105, 102, 100]);
        Directory.Exists(folder["merged/run/50"]).ShouldBeFalse();
    }

    [Fact]
    public async Task Snapshots_are_saved_where_their_folder_is_a_link_to_another_file_system()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["run"]);
        Directory.CreateDirectory(folder["fast"]);
        using Mounted fast = Mounted.Tmpfs(folder["fast"], 64 << 20);
        Directory.CreateSymbolicLink(folder["run/snapshot"], folder["fast"]);
        var files = new LocalFileSystem(folder["run"]);
        await Train(files, 29);
        Steps(files).ShouldBe([29, 27, 24, 20]);
        Directory.GetDirectories(folder["fast"]).Select(Path.GetFileName).ShouldBe(["0", "1", ".staging"], ignoreOrder: true);
        await Train(files, 39);
        Steps(files).ShouldBe([39, 39, 36, 30]);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task Only_the_first_snapshot_is_carried_over_to_another_file_system(bool canExchange)
    {
        SplitFileSystem files = SplitFileSystem.SnapshotsApart(new SimulatedFileSystem { CanExchange = canExchange });
        await Train(files, 18);
        Steps(files).ShouldBe([18, 18, 15, 10]);
        files.Refused.ShouldBe(2);
    }

    [Theory, InlineData(".probe-folder"), InlineData("snapshot/.probe-folder")]
    public void A_store_in_which_folders_cannot_be_renamed_is_refused_at_the_start(string folder)
    {
        var store = new SimulatedFileSystem();
        store.CreateFolder("snapshot");
        FaultyFileSystem files = FaultyFileSystem.Where(store, point => point.Call == FileSystemCall.Move && point.Path == folder);
        Should.Throw<StoreException>(() => new SampleTraining().Start(files, Options));
    }

    static CheckpointOptions Options => new() { Folder = "run", CheckpointEvery = 10, SnapshotEvery = 3, KeepLast = 2, HandleSignals = false, Asynchronous = false };

    static async Task Train(IFileSystem files, long until)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(files, Options);
        checkpoints.SaveEnded += (_, report) => report.Outcome.ShouldBe(SaveOutcome.Saved, report.Error?.ToString());
        training.TrainTo(checkpoints, until);
        checkpoints.Complete();
    }

    static IEnumerable<long> Steps(IFileSystem files) => Catalog.Read(files).Entries.Where(entry => entry.Marker is not null).Select(entry => entry.Step);
}
