using Cairn.Capture;
using Cairn.Layouts;
using Cairn.State;
using Cairn.Tests.Formats;
using CsCheck;

namespace Cairn.Tests.Capture;

/// <summary>A state of the same form is staged in the same tree, and its files are planned once. Whatever changes between two captures, the files are those of the state as it is.</summary>
public sealed class PlannedOnceTests : IDisposable
{
    private readonly StagingPool _pool = new();
    private readonly PlanMemory _memory = new();

    public void Dispose() => _pool.Dispose();

    [Fact]
    public void The_files_are_those_of_the_state_as_it_is_whatever_changed_and_whichever_capture_was_planned() =>
        Gen.Select(Gen.Int[0, Forms.Length - 1], Gen.Long[0, 2], Gen.Byte, Gen.Bool).Array[2, 12].Sample(captures =>
        {
            using var pool = new StagingPool();
            var capture = new StateCapture(pool);
            var memory = new PlanMemory();
            foreach ((int form, long value, byte fill, bool isPlanned) in captures)
            {
                (string, StateMap)[] live = Forms[form](value, fill);
                using CapturedState captured = capture.Capture(live, Stop);
                if (!isPlanned)
                    continue;
                for (int part = 0; part < live.Length; part++)
                {
                    PlannedFile planned = Plan(memory, captured.Parts[part]), fresh = PartEncoder.Encode(live[part].Item1, live[part].Item1, live[part].Item2);
                    planned.Name.ShouldBe(fresh.Name);
                    planned.Length.ShouldBe(fresh.Length);
                    TestTensors.Written(planned.WriteTo).ShouldBe(TestTensors.Written(fresh.WriteTo));
                    planned.Tensors.Select(tensor => (tensor.Name, tensor.Offset)).ShouldBe(fresh.Tensors.Select(tensor => (tensor.Name, tensor.Offset)));
                }
            }
        });

    [Fact]
    public void A_state_of_the_same_form_gets_the_same_tree_and_the_same_plan()
    {
        var capture = new StateCapture(_pool);
        (StateMap first, PlannedFile planned) = Next(capture, Flat(fill: 1));
        (StateMap second, PlannedFile again) = Next(capture, Flat(fill: 2));
        second.ShouldBeSameAs(first);
        again.ShouldBeSameAs(planned);
        // Another shape, and back: what was known is forgotten.
        Next(capture, new StateMap { ["w"] = Tensor(7, 1) }).Tree.ShouldNotBeSameAs(first);
        Next(capture, Flat(fill: 1)).Tree.ShouldNotBeSameAs(first);
    }

    [Fact]
    public void Other_values_leave_the_tensors_of_the_plan_as_they_are()
    {
        var capture = new StateCapture(_pool);
        (StateMap first, PlannedFile planned) = Next(capture, Flat(fill: 1, step: 9));
        (StateMap second, PlannedFile again) = Next(capture, Flat(fill: 2, step: 10));
        second.ShouldBeSameAs(first);
        again.ShouldNotBeSameAs(planned);
        again.Tensors.ShouldBeSameAs(planned.Tensors);
        ((StateScalar)second["step"]).Value.ShouldBe(10L);
        // The head grows by a page, and all tensors move.
        (_, PlannedFile longer) = Next(capture, Flat(fill: 3, step: 10, note: new string('x', 5000)));
        longer.Tensors[0].Offset.ShouldBeGreaterThan(planned.Tensors[0].Offset);
    }

    [Fact]
    public void A_capture_of_many_tensors_that_was_planned_before_allocates_nothing_for_each()
    {
        var live = new StateMap();
        for (int i = 0; i < 5000; i++)
            live[$"layers.{i}.weight"] = Tensor(1, 1);
        (string, StateMap)[] parts = [("model", live)];
        var capture = new StateCapture(_pool);
        for (int i = 0; i < 3; i++)
            Once();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Once();
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(16 << 10);

        void Once()
        {
            using CapturedState captured = capture.Capture(parts, Stop);
            Plan(_memory, captured.Parts[0]);
        }
    }

    private (StateMap Tree, PlannedFile File) Next(StateCapture capture, StateMap live)
    {
        using CapturedState captured = capture.Capture([("model", live)], Stop);
        return (captured.Parts[0].State, Plan(_memory, captured.Parts[0]));
    }

    private static PlannedFile Plan(PlanMemory memory, CapturedPart part) => memory.Encode(new RankPart(part.Name, PartScope.Shared, part.State) { Revision = part.Revision }, part.Name).ShouldHaveSingleItem();

    private static StateMap Flat(byte fill, long? step = null, string? note = null)
    {
        var state = new StateMap { ["w"] = Tensor(5, fill), ["b"] = Tensor(3, (byte)(fill + 1)) };
        if (step is { } count)
        {
            state["step"] = count;
            state["note"] = note ?? "";
        }
        return state;
    }

    // Pairs that differ in one thing each.
    private static readonly Func<long, byte, (string, StateMap)[]>[] Forms =
    [
        (_, fill) => [("model", new StateMap { ["w"] = Tensor(5, fill), ["b"] = Tensor(3, fill) })],
        (_, fill) => [("model", new StateMap { ["b"] = Tensor(5, fill), ["w"] = Tensor(3, fill) })],
        (_, fill) => [("model", new StateMap { ["w"] = Tensor(3, fill), ["b"] = Tensor(5, fill) })],
        (_, fill) => [("model", new StateMap { ["w"] = Tensor(5, fill), ["b"] = new MemoryTensor(TensorType.F16, [3], Filled(6, fill)) })],
        (_, fill) => [("model", new StateMap { ["w"] = new MemoryTensor(TensorType.F32, [5, 1], Filled(20, fill)), ["b"] = Tensor(3, fill) })],
        (_, fill) => [("model", Tied(Tensor(5, fill), tied: true))],
        (_, fill) => [("model", Tied(Tensor(5, fill), tied: false))],
        (_, fill) => [("model", new StateMap { ["w"] = new ShardTensor(Tensor(5, fill), ShardExtent.Cut([10], 0, 0, 2)) })],
        (_, fill) => [("model", new StateMap { ["w"] = new ShardTensor(Tensor(5, fill), ShardExtent.Cut([10], 0, 1, 2)) })],
        (_, fill) => [("model", new StateMap { ["w"] = Tensor(5, fill) })],
        (value, fill) => [("model", Nested(value, Tensor(5, fill), Tensor(3, fill)))],
        (value, fill) => [("model", Nested(value, Tensor(5, fill)))],
        (value, _) => [("model", new StateMap { ["step"] = value, ["deep"] = new StateMap { ["rate"] = value / 2.0 } })],
        (value, _) => [("model", new StateMap { ["step"] = $"{value}", ["deep"] = new StateMap { ["rate"] = double.NaN } })],
        (value, _) => [("model", new StateMap { ["step"] = value == 0 ? 0.0 : -0.0, ["deep"] = new StateMap { ["rate"] = value == 1 ? StateScalar.Null : value } })],
        (value, fill) => Across(value, Tensor(5, fill), tied: true),
        (value, fill) => Across(value, Tensor(5, fill), tied: false),
    ];

    private static StateMap Tied(MemoryTensor tensor, bool tied) => new() { ["w"] = tensor, ["again"] = tied ? tensor : Tensor(5, 7), ["b"] = Tensor(5, 9) };

    private static StateMap Nested(long value, params MemoryTensor[] tensors) => new()
    {
        ["type"] = "AdamW",
        ["state"] = new StateMap { ["w"] = new StateMap { ["step"] = value, ["exp_avg"] = tensors[0] } },
        ["groups"] = new StateList([new StateMap { ["lr"] = value / 10.0 }, .. tensors, value]),
    };

    private static (string, StateMap)[] Across(long value, MemoryTensor tensor, bool tied) =>
        [("model", new StateMap { ["w"] = tensor }), ("average", new StateMap { ["w"] = tied ? tensor : Tensor(5, 3), ["count"] = value })];

    private static MemoryTensor Tensor(int elements, byte fill) => new(TensorType.F32, [elements], Filled(elements * 4, fill));

    private static byte[] Filled(int bytes, byte fill)
    {
        byte[] filled = new byte[bytes];
        Array.Fill(filled, fill);
        return filled;
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;
}
