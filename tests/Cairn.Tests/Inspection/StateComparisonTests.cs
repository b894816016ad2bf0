using Cairn.Inspection;
using Cairn.State;

namespace Cairn.Tests.Inspection;

public class StateComparisonTests
{
    private static Dictionary<string, EntryChange> Changes(StateMap left, StateMap right) =>
        StateComparison.Compare(left, right, cancellationToken: TestContext.Current.CancellationToken).ToDictionary(entry => entry.Path, entry => entry.Change, StringComparer.Ordinal);

    [Fact]
    public void Every_kind_of_change_is_told_by_its_name()
    {
        var left = new StateMap
        {
            ["same"] = Tensors.Singles(1, 2),
            ["changed"] = Tensors.Singles(1, 2),
            ["reshaped"] = Tensors.Singles(1, 2),
            ["retyped"] = Tensors.Singles(1, 2),
            ["gone"] = Tensors.Singles(1),
            ["groups"] = new StateList([new StateMap { ["lr"] = 0.1, ["betas"] = new StateList([0.9, 0.95]), ["name"] = "a", ["none"] = new StateMap() }]),
        };
        var right = new StateMap
        {
            ["same"] = Tensors.Singles(1, 2),
            ["changed"] = Tensors.Singles(1, 3),
            ["reshaped"] = Tensors.Singles(1, 2, 3),
            ["retyped"] = Tensors.Doubles(1, 2),
            ["groups"] = new StateList([new StateMap { ["lr"] = 0.2, ["betas"] = new StateList([0.9, 0.95]), ["name"] = 7L, ["none"] = new StateMap() }, 1L]),
        };
        Changes(left, right).ShouldBe(new Dictionary<string, EntryChange>(StringComparer.Ordinal)
        {
            ["same"] = EntryChange.Same,
            ["changed"] = EntryChange.Changed,
            ["reshaped"] = EntryChange.Reshaped,
            ["retyped"] = EntryChange.Retyped,
            ["gone"] = EntryChange.Removed,
            ["groups/0/lr"] = EntryChange.Changed,
            ["groups/0/betas/0"] = EntryChange.Same,
            ["groups/0/betas/1"] = EntryChange.Same,
            ["groups/0/name"] = EntryChange.Retyped,
            ["groups/0/none"] = EntryChange.Same,
            ["groups/1"] = EntryChange.Added,
        }, ignoreOrder: true);
    }

    [Fact]
    public void A_retyped_tensor_is_compared_by_its_values()
    {
        EntryComparison entry = StateComparison.Compare(new StateMap { ["w"] = Tensors.Singles(1, 2) }, new StateMap { ["w"] = Tensors.Doubles(1, 2.5) }, cancellationToken: TestContext.Current.CancellationToken)[0];
        (entry.Change, entry.Tensors!.MaxAbsolute).ShouldBe((EntryChange.Retyped, 0.5));
    }

    [Fact]
    public void NaN_scalars_are_the_same() =>
        Changes(new StateMap { ["loss"] = double.NaN }, new StateMap { ["loss"] = double.NaN })["loss"].ShouldBe(EntryChange.Same);

    [Fact]
    public void Paths_that_come_out_alike_are_told_apart()
    {
        var state = new StateMap { ["a/b"] = 1L, ["a"] = new StateMap { ["b"] = 2L } };
        Changes(state, state).Keys.ShouldBe(["a/b", "a/b#2"]);
        Changes(state, new StateMap { ["a/b"] = 1L }).ShouldBe(new Dictionary<string, EntryChange>(StringComparer.Ordinal) { ["a/b"] = EntryChange.Same, ["a/b#2"] = EntryChange.Removed }, ignoreOrder: true);
    }

    [Fact]
    public void Leaves_come_in_order_and_a_deep_state_does_not_end_the_process()
    {
        StateLeaves.Of(new StateMap { ["b"] = 1L, ["a"] = new StateList([2L, new StateMap { ["c"] = 3L }]) }).Select(leaf => leaf.Path).ShouldBe(["b", "a/0", "a/1/c"]);
        StateNode deep = 1L;
        for (int i = 0; i < 5_000; i++)
            deep = new StateList([deep]);
        StateLeaves.Of(deep).Count().ShouldBe(1);
    }
}
