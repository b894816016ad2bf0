using System.Text;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Tests.Saving;

/// <summary>Makes small copies of a known content, so that what is found can be compared with what was saved.</summary>
internal sealed class SampleRun(Func<ILease?, ICopyPublisher> publisher, string layout = CheckpointLayouts.Default)
{
    public SampleRun(IFileSystem files, string layout = CheckpointLayouts.Default) : this(lease => new RenamePublisher(files, lease), layout) { }

    static readonly DateTimeOffset Time = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public RunRecord Record { get; set; } = new("run", Time, Lineage.New, null);

    public ILease? Lease { get; set; }

    /// <summary>Whether copies hold a part that never changes, and share it.</summary>
    public bool Shares { get; init; }

    /// <summary>What the last copy consisted of, as the process that saved it knows.</summary>
    public FormerFiles Former { get; set; } = new();

    /// <summary>The part that never changes.</summary>
    public static MemoryTensor Frozen { get; } = new(TensorType.U8, [FormerFiles.LeastBytes], Enumerable.Range(0, (int)FormerFiles.LeastBytes).Select(i => (byte)(i * 7)).ToArray());

    public SavedCopy Save(SaveKind kind, long step, float value = 1, bool refuse = true)
    {
        List<(string, StateMap)> parts = [("model", Model(step, value)), ("context", new StateMap { { "step", step } })];
        if (Shares)
            parts.Add(("base", new StateMap { { "b", Frozen } }));
        return new CommitProtocol(publisher(Lease), static () => TimeSpan.Zero, Shares ? Former : null).Save(MarkerOf(Record, kind, step, layout), CheckpointLayouts.Of(layout).Plan(step, parts), refuse);
    }

    public static Marker MarkerOf(RunRecord run, SaveKind kind, long step, string layout) => new()
    {
        Step = step,
        Kind = kind,
        Reason = kind == SaveKind.Snapshot ? SaveReason.Snapshot : SaveReason.Interval,
        Run = run.Id,
        Lineage = run.Lineage,
        Time = Time,
        Train = new StateMap { { "step_count", step } },
        Layout = layout,
        Files = [],
    };

    public ResumeChoice Choose()
    {
        IFileSource files = publisher(null).Files;
        return ResumeLadder.Choose(files, Catalog.Read(files), Record, verifyHashes: true);
    }

    static StateMap Model(long step, float value)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(step.ToString("D8", null));
        return new StateMap { { "w", new MemoryTensor(TensorType.U8, [8], bytes) }, { "v", new MemoryTensor(TensorType.F32, [1], BitConverter.GetBytes(value)) } };
    }
}
