using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed.Writing;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch.Distributed.Writing;

public class StateDictFlatteningTests
{
    private static readonly TorchTensorValue Tensor = new(TestTensors.Of(TensorType.F32, 2));

    private static TorchList List(params TorchValue[] items) => new(TorchListKind.List, items);

    private static string[] Names(TorchMap map) => [.. StateDictFlattening.Of(map).Values.Select(value => value.Name)];

    // What torch/distributed/checkpoint/_nested_dict.py of PyTorch 2.6 gave for the same.
    [Fact]
    public void Dicts_are_flattened_and_lists_only_where_a_tensor_or_a_dict_is_in_them()
    {
        var flat = StateDictFlattening.Of(new TorchMap
        {
            ["model"] = new TorchMap { ["layers.0.w"] = Tensor },
            ["plain"] = List(1L, List(2L)),
            ["deep"] = List(1L, List(Tensor)),
            ["groups"] = List(new TorchMap { ["lr"] = 0.5, ["betas"] = new TorchList(TorchListKind.Tuple, [0.9, 0.95]) }),
            ["pair"] = new TorchList(TorchListKind.Tuple, [new TorchMap { ["x"] = 1L }]),
            ["state"] = new TorchMap { [0L] = new TorchMap { ["step"] = Tensor } },
            ["none"] = new TorchMap(),
        });
        flat.Values.Select(value => $"{value.Name}: {string.Join('/', value.Path.Select(key => key is long ? $"#{key}" : key))}").ShouldBe(
        [
            "model.layers.0.w: model/layers.0.w", "plain: plain", "deep.0: deep/#0", "deep.1.0: deep/#1/#0", "groups.0.lr: groups/#0/lr", "groups.0.betas: groups/#0/betas", "pair: pair", "state.0.step: state/0/step",
        ]);
        flat.Empty.ShouldBe(["none"]);
    }

    [Fact]
    public void What_has_no_name_of_its_own_is_refused_by_its_place()
    {
        Should.Throw<ArgumentException>(() => Names(new TorchMap { ["a"] = new TorchMap { ["b"] = 1L }, ["a.b"] = 2L })).Message.ShouldContain("'a.b'");
        Should.Throw<ArgumentException>(() => Names(new TorchMap { ["a"] = new TorchMap { [true] = 1L } })).Message.ShouldContain("'a'");
        TorchValue deep = 1L;
        for (int i = 0; i < 64; i++)
            deep = new TorchMap { ["x"] = deep };
        Names((TorchMap)deep).Length.ShouldBe(1);
        Should.Throw<ArgumentException>(() => Names(new TorchMap { ["x"] = deep })).Message.ShouldContain("64 levels");
    }

    // The numbers are those of torch.chunk.
    [Theory]
    [InlineData(1, 5, "0:0+5")]
    [InlineData(2, 5, "0:0+3 1:3+2")]
    [InlineData(4, 5, "0:0+2 1:2+2 2:4+1")]
    [InlineData(4, 6, "0:0+2 1:2+2 2:4+2")]
    [InlineData(3, 9, "0:0+3 1:3+3 2:6+3")]
    [InlineData(8, 1, "0:0+1")]
    [InlineData(3, 0, "0:0+0")]
    [InlineData(int.MaxValue, 2, "0:0+1 1:1+1")]
    public void Ranks_get_as_many_rows_as_torch_chunk_gives_them(int ranks, long rows, string shards)
    {
        string.Join(' ', RowShard.Of([rows, 3], ranks).Select(shard => $"{shard.Rank}:{shard.First}+{shard.Count}")).ShouldBe(shards);
        RowShard.Of([], ranks).ShouldBe([new RowShard(0, 0, 1)]);
        RowShard.Of([rows, 0], ranks).ShouldBe([new RowShard(0, 0, rows)]);
    }
}
