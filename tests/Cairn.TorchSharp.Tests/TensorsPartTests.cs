using Cairn.State;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class TensorsPartTests
{
    [Fact]
    public void The_same_names_are_written_in_place_and_others_are_refused()
    {
        using Tensor ema = arange(6, dtype: float32).reshape(2, 3), count = tensor(7L);
        var part = new TensorsPart(new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["ema.weight"] = ema, ["count"] = count }, "ema");
        StateMap saved = part.Capture().Copy();
        saved.Keys.ShouldBe(["count", "ema.weight"]);
        ema.zero_();
        count.zero_();
        part.Restore(saved);
        (ema.sum().item<float>(), count.item<long>()).ShouldBe((15, 7));
        using Tensor other = zeros(3, 2);
        Should.Throw<StateMismatchException>(() => new TensorsPart(new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["ema.weight"] = other, ["more"] = other }).Restore(saved))
            .Problems.ShouldSatisfyAllConditions(problems => problems.Missing.ShouldBe(["more"]), problems => problems.Unexpected.ShouldBe(["count"]), problems => problems.Mismatched.Count.ShouldBe(1));
    }

    [Fact]
    public void A_memory_that_grows_and_shrinks_becomes_what_was_saved_in_whatever_scope()
    {
        var memory = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["states"] = ones(2, 4), ["kept"] = ones(3) };
        var part = new TensorsPart(memory, "replay", mayChange: true);
        part.MayShrink.ShouldBeTrue();
        StateMap saved = part.Capture().Copy();
        Tensor kept = memory["kept"];
        kept.zero_();
        memory["states"] = zeros(5, 4);
        memory["new"] = ones(1);
        using (NewDisposeScope())
            part.Restore(saved);
        memory.Keys.ShouldBe(["states", "kept"], ignoreOrder: true);
        memory["states"].shape.ShouldBe([2L, 4L]);
        memory["states"].sum().item<float>().ShouldBe(8);
        (ReferenceEquals(memory["kept"], kept), kept.sum().item<float>()).ShouldBe((true, 3f));
        var empty = new TensorsPart(new Dictionary<string, Tensor>(StringComparer.Ordinal), "replay", mayChange: true);
        part.Restore(empty.Capture());
        memory.ShouldBeEmpty();
    }
}
