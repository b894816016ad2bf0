using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Running;

public class SavedTiersTests
{
    [Fact]
    public async Task A_start_reads_the_newest_markers_however_many_checkpoints_there_are()
    {
        var files = new SimulatedFileSystem();
        CheckpointOptions options = new() { Folder = "run", CheckpointEvery = 1, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = training.Start(files, options))
        {
            training.TrainTo(checkpoints, 40);
        }
        var read = new HashSet<string>(StringComparer.Ordinal);
        await using CheckpointManager again = new SampleTraining().Start(new Watched(files, path =>
        {
            if (path.EndsWith(".step", StringComparison.Ordinal))
                read.Add(path);
        }), options);
        again.LastCheckpoint.ShouldBe(40);
        read.Count.ShouldBeLessThan(4, string.Join(", ", read));
    }

    private sealed class Watched(IFileSystem inner, Action<string> opened) : ForwardingFileSystem(inner)
    {
        public override IReadableFile OpenRead(string path)
        {
            opened(path);
            return base.OpenRead(path);
        }
    }
}
