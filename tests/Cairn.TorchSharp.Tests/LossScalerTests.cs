using Cairn.State;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class LossScalerTests : IDisposable
{
    readonly Parameter _weight = new(ones(2));
    readonly optim.Optimizer _optimizer;

    public LossScalerTests() => _optimizer = optim.SGD([_weight], 0.5);

    public void Dispose()
    {
        _optimizer.Dispose();
        _weight.Dispose();
    }

    [Fact]
    public void A_good_batch_steps_with_the_true_gradients()
    {
        DynamicLossScaler scaler = new();
        scaler.Scale(_weight.sum()).backward();
        _weight.grad!.data<float>().ToArray().ShouldBe([65536, 65536]);
        scaler.Step(_optimizer).ShouldBeTrue();
        scaler.Update();
        _weight.grad!.data<float>().ToArray().ShouldBe([1, 1]);
        _weight.data<float>().ToArray().ShouldBe([0.5f, 0.5f]);
    }

    [Theory]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    [InlineData(float.NaN)]
    public void An_overflowed_batch_is_skipped_and_halves_the_scale(float bad)
    {
        DynamicLossScaler scaler = new(initialScale: 8);
        Batch(scaler, bad).ShouldBeFalse();
        _weight.data<float>().ToArray().ShouldBe([1, 1]);
        scaler.CurrentScale.ShouldBe(4);
        scaler.FoundInf.ShouldBeFalse();
    }

    [Fact]
    public void The_scale_grows_after_an_unbroken_row_of_good_batches()
    {
        DynamicLossScaler scaler = new(initialScale: 8, growthInterval: 3);
        List<double> scales = [];
        foreach (float gradient in new[] { 0, 0, float.NaN, 0, 0, 0, 0 })
        {
            Batch(scaler, gradient);
            scales.Add(scaler.CurrentScale);
        }
        scales.ShouldBe([8, 8, 4, 4, 4, 8, 8]);
    }

    [Fact]
    public void The_scale_does_not_grow_out_of_a_floats_range()
    {
        DynamicLossScaler scaler = new(initialScale: 2e38, growthInterval: 1);
        Batch(scaler, 0).ShouldBeTrue();
        scaler.CurrentScale.ShouldBe(2e38);
    }

    [Fact]
    public void Gradients_are_unscaled_once()
    {
        DynamicLossScaler scaler = new(initialScale: 4);
        _weight.grad = full([2], 8f);
        scaler.Unscale([_weight]).ShouldBeFalse();
        Should.Throw<InvalidOperationException>(() => scaler.Unscale([_weight]));
        scaler.Step(_optimizer).ShouldBeTrue();
        _weight.grad!.data<float>().ToArray().ShouldBe([2, 2]);
    }

    [Fact]
    public void An_overflow_of_another_rank_skips_the_batch_here()
    {
        DynamicLossScaler scaler = new(initialScale: 4);
        _weight.grad = ones(2);
        scaler.Unscale([_weight]).ShouldBeFalse();
        scaler.ReportOverflow();
        scaler.Step(_optimizer).ShouldBeFalse();
        scaler.Update();
        scaler.CurrentScale.ShouldBe(2);
    }

    [Fact]
    public void An_update_without_a_check_is_refused() => Should.Throw<InvalidOperationException>(() => new DynamicLossScaler().Update());

    [Fact]
    public void A_restored_scaler_grows_when_the_saved_one_would_have()
    {
        DynamicLossScaler from = new(initialScale: 8, growthInterval: 3), to = new();
        Batch(from, 0);
        Batch(from, 0);
        Copies.Carry(from, to);
        Batch(to, 0);
        to.CurrentScale.ShouldBe(16);
    }

    [Fact]
    public void A_scale_that_is_no_scale_is_refused()
    {
        StateMap saved = new DynamicLossScaler().Capture();
        saved["scale"] = 0;
        Should.Throw<StateMismatchException>(() => new DynamicLossScaler().Restore(saved)).Message.ShouldContain("scale");
    }

    [Fact]
    public void The_scale_of_InternEvos_scaler_is_taken_over_and_its_rules_stay_those_of_this_one()
    {
        StateMap saved = new() { { "_scale", 8.0 }, { "_growth_step", 2L }, { "_hysteresis_step", 1L } };
        DynamicLossScaler scaler = new(growthInterval: 3);
        scaler.Restore(saved);
        (scaler.CurrentScale, scaler.GrowthTracker, scaler.GrowthInterval).ShouldBe((8, 2, 3));
        Batch(scaler, 0);
        scaler.CurrentScale.ShouldBe(16);
        saved["_scale"] = -1.0;
        Should.Throw<StateMismatchException>(() => scaler.Restore(saved)).Message.ShouldContain("_scale");
        scaler.CurrentScale.ShouldBe(16);
    }

    bool Batch(DynamicLossScaler scaler, float gradient)
    {
        _weight.grad = tensor([0f, gradient]);
        bool stepped = scaler.Step(_optimizer);
        scaler.Update();
        return stepped;
    }
}
