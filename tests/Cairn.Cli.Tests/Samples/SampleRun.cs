using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Samples;

/// <summary>A run of Cairn whose files are the same every time, but for the ages that are wanted of its copies.</summary>
internal sealed class SampleRun
{
    private const string UsualId = "00112233445566778899aabbccddeeff";

    private readonly string _id;
    private readonly DateTimeOffset _now;

    public SampleRun(string folder, DateTimeOffset? now = null, string id = UsualId)
    {
        _id = id;
        Directory.CreateDirectory(folder);
        Folder = folder;
        Files = new LocalFileSystem(folder);
        // Whole seconds: a fraction's digits would make the markers of two runs differ in size.
        _now = DateTimeOffset.FromUnixTimeSeconds((now ?? TimeProvider.System.GetUtcNow()).ToUnixTimeSeconds());
        new RunRecord(id, new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero), Lineage.New, null).Save(Files);
    }

    public string Folder { get; }

    public LocalFileSystem Files { get; }

    /// <summary>The usual one: checkpoints of 100, 200 and 300, snapshots of 280 and 320.</summary>
    public static SampleRun Usual(string folder)
    {
        var run = new SampleRun(folder);
        run.Checkpoint(100, TimeSpan.FromHours(26));
        run.Checkpoint(200, TimeSpan.FromHours(14));
        run.Snapshot(280, TimeSpan.FromMinutes(190));
        run.Checkpoint(300, TimeSpan.FromMinutes(130), loss: 0.5);
        run.Snapshot(320, TimeSpan.FromMinutes(30.5));
        return run;
    }

    /// <summary>One with checkpoints of 1 up to a number, each of one small file.</summary>
    public static SampleRun Many(string folder, int count)
    {
        var run = new SampleRun(folder);
        byte[] file = "{}"u8.ToArray();
        for (int step = 1; step <= count; step++)
        {
            string copy = run.PathOf(RunFolder.Checkpoint(step));
            Directory.CreateDirectory(copy);
            File.WriteAllBytes(Path.Join(copy, "context.json"), file);
            Marker marker = run.MarkerOf(step, SaveKind.Checkpoint, SaveReason.Interval, TimeSpan.FromMinutes(count - step), null) with { Files = [new MarkedFile("context.json", file.Length, ChunkHashes.Of(file))] };
            File.WriteAllBytes(Path.Join(copy, Marker.FileName(step)), marker.ToBytes());
        }
        return run;
    }

    public void Checkpoint(long step, TimeSpan age, SaveReason reason = SaveReason.Interval, double? loss = null, StateMap? model = null) =>
        Save(step, SaveKind.Checkpoint, reason, age, loss, model);

    public void Snapshot(long step, TimeSpan age, StateMap? model = null) => Save(step, SaveKind.Snapshot, SaveReason.Snapshot, age, null, model);

    /// <summary>A path in the run.</summary>
    public string PathOf(string name) => Path.Join(Folder, name);

    private void Save(long step, SaveKind kind, SaveReason reason, TimeSpan age, double? loss, StateMap? model)
    {
        IReadOnlyList<(string Part, StateMap State)> parts = SampleState.At(step);
        if (model is not null)
            parts = [("model", model), .. parts.Skip(1)];
        new CommitProtocol(Files).Save(MarkerOf(step, kind, reason, age, loss), CairnLayout.Plan(parts), refuseNonFinite: false);
    }

    private Marker MarkerOf(long step, SaveKind kind, SaveReason reason, TimeSpan age, double? loss)
    {
        var train = new TrainState { Step = step, Batch = step + 1, SkippedBatches = 1, ConsumedSamples = step * 4 };
        train.Metrics["loss"] = loss ?? 2 - step / 1000.0;
        return new Marker
        {
            Step = step,
            Kind = kind,
            Reason = reason,
            Run = _id,
            Lineage = RunRecord.Load(Files)!.Lineage,
            Time = _now - age,
            World = World.Single,
            Train = train.Capture(),
            Files = [],
        };
    }
}
