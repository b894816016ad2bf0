using System.Runtime.InteropServices;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.TorchSharp.Interop.Tests;

/// <summary>Training that begins in one framework and goes on in the other.</summary>
public sealed class OptimizerExchangeTests(OptimizerExchange exchange) : IClassFixture<OptimizerExchange>
{
    public static TheoryData<string> Names => [.. OptimizerCase.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void PyTorch_goes_on_where_TorchSharp_stopped(string name)
    {
        OptimizerCase optimizer = OptimizerCase.All[name];
        using var model = new TrainedModel(optimizer, seed: 1);
        model.Train(0, optimizer.Before);
        exchange.PyTorchGoesOn(name).ShouldBe(model.Train(optimizer.Before, optimizer.After), optimizer.Tolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void TorchSharp_goes_on_where_PyTorch_stopped(string name)
    {
        OptimizerCase optimizer = OptimizerCase.All[name];
        double[] expected = exchange.PyTorchAlone(name);
        using var model = new TrainedModel(optimizer, seed: 2);
        // Must be overwritten by what was saved.
        foreach (global::TorchSharp.Modules.ParamGroup group in model.Optimizer.ParamGroups.Cast<global::TorchSharp.Modules.ParamGroup>())
            group.LearningRate = 123;
        Restore(model, exchange.SavedByPyTorch(name));
        model.Train(optimizer.Before, optimizer.After).ShouldBe(expected, optimizer.Tolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_PyTorch_saves_when_it_went_on_is_what_TorchSharp_comes_to(string name)
    {
        OptimizerCase optimizer = OptimizerCase.All[name];
        _ = exchange.PyTorchGoesOn(name);
        using var model = new TrainedModel(optimizer, seed: 1);
        model.Train(0, optimizer.Before + optimizer.After);
        using var restored = new TrainedModel(optimizer, seed: 3);
        Restore(restored, exchange.SavedAfter(name));
        ShouldBeNear(restored.ModelPart.Capture(), model.ModelPart.Capture(), "model", optimizer);
        ShouldBeNear(restored.OptimizerPart.Capture(), model.OptimizerPart.Capture(), "optimizer", optimizer);
    }

    private static void ShouldBeNear(StateNode actual, StateNode expected, string path, OptimizerCase optimizer)
    {
        switch (actual, expected)
        {
            case (StateMap left, StateMap right):
                left.Keys.ShouldBe(right.Keys, path);
                // TorchSharp's Adadelta does not count.
                foreach (string key in left.Keys.Where(key => !(key == "step" && optimizer.Class == "Adadelta")))
                    ShouldBeNear(left[key], right[key], $"{path}/{key}", optimizer);
                break;
            case (StateList left, StateList right):
                left.Count.ShouldBe(right.Count, path);
                for (int i = 0; i < left.Count; i++)
                    ShouldBeNear(left[i], right[i], $"{path}/{i}", optimizer);
                break;
            case (StateTensor { Type: TensorType.F32 } left, StateTensor right):
                left.ToString().ShouldBe(right.ToString(), path);
                Singles(left).ShouldBe(Singles(right), 10 * optimizer.Tolerance, path);
                break;
            case (StateTensor left, StateTensor right):
                left.ToString().ShouldBe(right.ToString(), path);
                Bytes(left).ShouldBe(Bytes(right), path);
                break;
            case (StateScalar { Value: double left }, StateScalar { Value: double right }):
                left.ShouldBe(right, 10 * optimizer.Tolerance, path);
                break;
            default:
                ((StateScalar)actual).Value.ShouldBe(((StateScalar)expected).Value, path);
                break;
        }
    }

    private static double[] Singles(StateTensor tensor) => [.. MemoryMarshal.Cast<byte, float>(Bytes(tensor)).ToArray().Select(value => (double)value)];

    private static byte[] Bytes(StateTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        return bytes;
    }

    private static void Restore(TrainedModel model, string path)
    {
        using TorchFile file = TorchFile.Map(path);
        var state = (StateMap)TorchTree.ToState(file.Root);
        model.ModelPart.Restore((StateMap)state["model"]);
        model.OptimizerPart.Restore((StateMap)state["optimizer"]);
    }
}
