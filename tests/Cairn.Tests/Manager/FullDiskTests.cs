using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>A real file system that really is full: a small tmpfs, filled so that the save fails at another file each time.</summary>
public class FullDiskTests
{
    const int TensorBytes = 1 << 20;
    const int DiskBytes = 64 << 20;

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_full_disk_costs_the_save_and_not_the_run_nor_the_last_good_copy(bool asynchronous)
    {
        using var folder = new TemporaryFolder();
        using Mounted disk = Mounted.Tmpfs(folder.Path, DiskBytes);
        var files = new LocalFileSystem(folder["run"]);
        var train = new TrainState();
        LargePart[] parts = [new("model"), new("optimizer"), new("extra")];
        var options = new CheckpointOptions { Folder = folder["run"], CheckpointEvery = 10, SnapshotEvery = 0, Asynchronous = asynchronous, HandleSignals = false, ShareUnchanged = false };
        await using CheckpointManager checkpoints = CheckpointManager.Start(files, options, train, parts, cancellationToken: TestContext.Current.CancellationToken);
        var reports = new List<SaveReport>();
        checkpoints.SaveEnded += (_, report) => reports.Add(report);
        Train(10);
        reports[^1].Outcome.ShouldBe(SaveOutcome.Saved);

        string ballast = folder["ballast"];
        int failed = 0;
        // From no room at all to room for all but the last file.
        for (long room = 0; room <= 3 * TensorBytes; room += TensorBytes / 2)
        {
            long last = reports.Last(report => report.Outcome == SaveOutcome.Saved).Step;
            Fill(ballast, files.AvailableBytes()!.Value - room);
            Train(10);
            reports[^1].Outcome.ShouldBe(SaveOutcome.Failed, $"with {room} bytes of room");
            failed++;
            reports[^1].Error!.Message.ShouldContain("room");
            Newest(files).ShouldBe(last);
            Remove(ballast);
            Train(10);
            reports[^1].Outcome.ShouldBe(SaveOutcome.Saved, $"once there is room again, after {room}");
            Newest(files).ShouldBe(train.Step);
            foreach (string old in Directory.GetDirectories(folder["run"]).Where(path => long.TryParse(Path.GetFileName(path), out long step) && step < train.Step))
            {
                Array.ForEach(Directory.GetFiles(old), Remove);
                Directory.Delete(old);
            }
        }
        failed.ShouldBe(7);
        (await File.ReadAllTextAsync(folder["run/journal.jsonl"], TestContext.Current.CancellationToken)).ShouldContain("\"failed\"");

        void Train(int steps)
        {
            for (int i = 0; i < steps; i++)
            {
                train.CompleteStep();
                checkpoints.AfterBatch().ShouldBeTrue();
                checkpoints.WaitForSave();
            }
            train.SkipBatch("test");
            checkpoints.AfterBatch();
        }
    }

    [Fact]
    public void A_disk_that_fills_up_between_the_check_and_the_write_is_an_error_of_that_save_too()
    {
        using var folder = new TemporaryFolder();
        using Mounted disk = Mounted.Tmpfs(folder.Path, 16 << 20);
        var files = new LocalFileSystem(folder.Path);
        // A planned length beyond the disk: the reservation fails before a byte is written.
        Should.Throw<IOException>(() => files.OpenWrite("large", 32 << 20));
        files.FileExists("large").ShouldBeFalse();
    }

    static long Newest(LocalFileSystem files) =>
        Cairn.Opening.ResumeLadder.Choose(files, Catalog.Read(files), RunRecord.Load(files)!, verifyHashes: true).Chosen!.Step;

    // The bytes come free at once, whoever still has the file open: a process that another test is starting does, until it runs its own program.
    static void Remove(string path)
    {
        using (FileStream file = File.OpenWrite(path))
            file.SetLength(0);
        File.Delete(path);
    }

    static void Fill(string path, long bytes)
    {
        using FileStream file = File.Create(path);
        byte[] block = new byte[1 << 16];
        try
        {
            for (long left = bytes; left > 0; left -= block.Length)
                file.Write(block, 0, (int)Math.Min(left, block.Length));
        }
        catch (IOException)
        {
            // Full is what it should be.
        }
    }

    sealed class LargePart(string name) : IStatePart
    {
        readonly byte[] _bytes = new byte[TensorBytes];

        public string Name => name;
        public StateMap Capture() => new() { { "t", new MemoryTensor(TensorType.U8, [TensorBytes], _bytes) } };
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) => ((StateTensor)saved["t"]).CopyTo(0, _bytes);
    }
}
