using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch;

/// <summary>Tensors of a class of their own, as PyTorch 2.6 pickles them.</summary>
public class WrappedTensorTests
{
    private static readonly TorchGlobal DTensor = new("torch.distributed.tensor", "DTensor");

    [Fact]
    public void A_DTensor_that_no_mesh_cuts_is_its_tensor()
    {
        StateTensor local = TestTensors.Of(TensorType.F32, 4, 3);
        State(Tensor(local, [4, 3], mesh: 1, Placement("Shard", ("dim", 0L))), []).ShouldBeSameAs(local);
        State(Tensor(local, [4, 3], mesh: 2, Placement("Replicate")), []).ShouldBeSameAs(local);
    }

    [Fact]
    public void A_ranks_part_of_a_DTensor_is_named_with_its_shape_and_placement()
    {
        StateTensor local = TestTensors.Of(TensorType.F32, 2, 3);
        List<UnreadValue> unread = [];
        var state = (StateMap)State(Tensor(local, [4, 3], mesh: 2, Placement("Shard", ("dim", 0L))), unread);
        state.Keys.ShouldBe(["class", "shape", "dtype", "placements", "mesh", "local"]);
        ((StateScalar)((StateList)state["placements"])[0]).Value.ShouldBe("Shard(dim=0)");
        state["local"].ShouldBeSameAs(local);
        unread.ShouldHaveSingleItem().What.ShouldBe("a rank's part of a tensor of torch.distributed.tensor.DTensor, shape [4, 3], placed Shard(dim=0) (save its full_tensor(), or a distributed checkpoint)");
    }

    [Fact]
    public void A_part_that_says_it_is_the_whole_and_is_not_is_not_taken_for_it() =>
        State(Tensor(TestTensors.Of(TensorType.F32, 2, 3), [4, 3], mesh: 1, Placement("Replicate")), []).ShouldBeOfType<StateMap>();

    private static StateNode State(TorchObject made, List<UnreadValue> unread) => TorchTree.ToState(made, unread);

    private static TorchObject Tensor(StateTensor local, long[] shape, int mesh, TorchObject placement)
    {
        TorchList sizes = new(TorchListKind.Tuple, shape.Select(size => (TorchValue)size));
        var spec = new TorchObject(new TorchGlobal("torch.distributed.tensor._dtensor_spec", "DTensorSpec"), new TorchList(TorchListKind.Tuple), isOpaque: true)
        {
            State = new TorchMap
            {
                ["mesh"] = new TorchObject(new TorchGlobal("torch.distributed.device_mesh", "DeviceMesh"), new TorchList(TorchListKind.Tuple), isOpaque: true) { State = new TorchMap { ["mesh"] = new TorchTensorValue(TestTensors.Of(TensorType.I32, mesh)) } },
                ["placements"] = new TorchList(TorchListKind.Tuple, [placement]),
            },
        };
        TorchList inner = new(TorchListKind.Tuple, [DTensor, new TorchGlobal("torch", "float32"), sizes, sizes]);
        TorchMap slots = new() { ["_local_tensor"] = new TorchTensorValue(local), ["_spec"] = spec };
        return new TorchObject(new TorchGlobal("torch._tensor", "_rebuild_from_type_v2"),
            new TorchList(TorchListKind.Tuple, [new TorchGlobal("torch._utils", "_rebuild_wrapper_subclass"), DTensor, inner, new TorchList(TorchListKind.Tuple, [TorchScalar.None, slots])]), isOpaque: true);
    }

    private static TorchObject Placement(string name, params (string Key, TorchValue Value)[] state)
    {
        var attributes = new TorchMap();
        foreach ((string key, TorchValue value) in state)
            attributes.Add(key, value);
        return new TorchObject(new TorchGlobal("torch.distributed.tensor.placement_types", name), new TorchList(TorchListKind.Tuple), isOpaque: true) { State = attributes };
    }
}
