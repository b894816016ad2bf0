using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Cli.Tests.Samples;

/// <summary>A small model's state whose every value follows from the step.</summary>
internal static class SampleState
{
    public static IReadOnlyList<(string Part, StateMap State)> At(long step) =>
    [
        ("model", Model(step)),
        ("optimizer", Optimizer(step)),
        ("scheduler", new StateMap { ["last_epoch"] = step, ["lr"] = 0.001 * Math.Pow(0.99, step / 100) }),
        ("context", new StateMap { ["step"] = step, ["batch"] = step + 1, ["consumed_samples"] = step * 4 }),
    ];

    public static StateMap Model(long step)
    {
        MemoryTensor embedding = Singles([16, 8], i => Wave(i, step));
        return new StateMap
        {
            ["tok_embeddings.weight"] = embedding,
            ["layers.0.attention.wqkv.weight"] = Singles([24, 8], i => Wave(3 * i, step)),
            ["layers.0.feed_forward.w1.weight"] = Singles([8, 8], i => Wave(5 * i, step)),
            ["layers.0.attention_norm.weight"] = Singles([8], i => 1 + Wave(i, step) / 100),
            ["norm.weight"] = Singles([8], _ => 1),
            ["output.weight"] = embedding,
        };
    }

    private static StateMap Optimizer(long step) => new()
    {
        ["state"] = new StateMap
        {
            ["0"] = new StateMap { ["step"] = step, ["exp_avg"] = Singles([16, 8], i => Wave(i, step) / 10), ["exp_avg_sq"] = Singles([16, 8], i => Math.Abs(Wave(i, step)) / 100) },
        },
        ["param_groups"] = new StateList([new StateMap { ["lr"] = 0.001, ["betas"] = new StateList([0.9, 0.95]), ["amsgrad"] = false }]),
    };

    /// <summary>A tensor of singles.</summary>
    public static MemoryTensor Singles(long[] shape, Func<int, double> value)
    {
        float[] values = [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (product, size) => product * size)).Select(i => (float)value(i))];
        return new MemoryTensor(TensorType.F32, shape, MemoryMarshal.AsBytes(values.AsSpan()).ToArray());
    }

    // Rounded, so that no mathematics library of a machine shows in the last digit.
    private static double Wave(int place, long step) => Math.Round(Math.Sin(place * 0.7) * 0.02 + step * 1e-6, 6);
}
