using Cairn.Formats.Torch;
using Cairn.Layouts.InternLm;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.InternLm;

public class FsdpShardsTests
{
    [Fact]
    public void A_shard_lies_where_its_metadata_say()
    {
        ShardTensor shard = FsdpShards.Of(Sharded([6], [2]))!.Single();
        shard.Extent.ShouldBe(ShardExtent.OfBox([6], [2], [4]));
    }

    [Theory]
    [InlineData(4, long.MaxValue)]
    [InlineData(long.MaxValue, long.MaxValue - 1)]
    [InlineData(4, -1)]
    [InlineData(-4, 0)]
    public void What_lies_outside_its_tensor_is_no_shard(long size, long offset) => FsdpShards.Of(Sharded([size], [offset])).ShouldBeNull();

    private static TorchObject Sharded(long[] size, long[] offset)
    {
        TorchObject metadata = Made("ShardMetadata", ("shard_offsets", List(TorchListKind.List, offset)));
        TorchObject shard = Made("Shard", ("tensor", new TorchTensorValue(TestTensors.Of(TensorType.F32, 4))), ("metadata", metadata));
        TorchObject whole = Made("ShardedTensorMetadata", ("size", List(TorchListKind.Size, size)));
        var state = new TorchList(TorchListKind.Tuple, [new TorchList(TorchListKind.List, [shard]), whole]);
        return new TorchObject(new TorchGlobal("torch._tensor", "_rebuild_from_type_v2"), new TorchList(TorchListKind.Tuple, [state]), isOpaque: true);
    }

    private static TorchList List(TorchListKind kind, long[] numbers) => new(kind, numbers.Select(number => (TorchValue)number));

    private static TorchObject Made(string name, params (string Key, TorchValue Value)[] state)
    {
        var fields = new TorchMap();
        foreach ((string key, TorchValue value) in state)
            fields.Add(key, value);
        return new TorchObject(new TorchGlobal("torch.distributed", name), new TorchList(TorchListKind.Tuple), isOpaque: true) { State = fields };
    }
}
