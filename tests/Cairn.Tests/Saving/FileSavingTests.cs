using Cairn.Formats.Torch;
using Cairn.Saving;
using Cairn.State;
using Cairn.Tests.Formats;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

public class FileSavingTests
{
    [Fact]
    public void A_power_cut_leaves_the_old_file_or_the_new_one()
    {
        var files = new SimulatedFileSystem();
        files.CreateFolder("out");
        files.SyncFolder("");
        TorchFileWriter old = Plan(1), later = Plan(2);
        old.SaveTo(files, "out/x.pt", TestContext.Current.CancellationToken);
        int saved = files.Operations.Count;
        byte[] before = TestTensors.Written(old.WriteTo), after = TestTensors.Written(later.WriteTo);
        later.SaveTo(files, "out/x.pt", TestContext.Current.CancellationToken);
        int done = files.Operations.Count;

        byte[][] found = [.. files.CrashStates(saved).Select(state => state.FileSystem.AllFiles()["out/x.pt"])];
        found.ShouldAllBe(bytes => bytes.SequenceEqual(before) || bytes.SequenceEqual(after));
        found.ShouldContain(bytes => bytes.SequenceEqual(before));
        files.CrashStates(done).ShouldAllBe(state => state.FileSystem.AllFiles()["out/x.pt"].SequenceEqual(after));
    }

    [Fact]
    public void A_file_that_cannot_be_made_leaves_nothing_behind()
    {
        var files = new SimulatedFileSystem();
        Plan(1).SaveTo(files, "x.pt", TestContext.Current.CancellationToken);
        byte[] before = files.AllFiles()["x.pt"];
        TorchFileWriter bad = TorchFileWriter.Plan(new TorchTensorValue(new UnreadableTensor()), "x");
        Should.Throw<CheckpointException>(() => bad.SaveTo(files, "x.pt", TestContext.Current.CancellationToken));
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Should.Throw<OperationCanceledException>(() => Plan(2).SaveTo(files, "x.pt", cancelled.Token));
        files.AllFiles().Keys.ShouldBe(["x.pt"]);
        files.AllFiles()["x.pt"].ShouldBe(before);
    }

    private static TorchFileWriter Plan(byte value) => TorchFileWriter.Plan(new TorchTensorValue(new MemoryTensor(TensorType.U8, [3], new[] { value, value, value })), "x");

    private sealed class UnreadableTensor() : StateTensor(TensorType.U8, [8])
    {
        public override void CopyTo(long offset, Span<byte> destination) => throw new CheckpointException("The file is gone.");
    }
}
