using System.Text;
using Cairn.Formats.Safetensors;
using Cairn.Layouts;
using Cairn.State;
using Cairn.Tests.Formats;
using CsCheck;

namespace Cairn.Tests.Layouts;

public class PartEncodingTests
{
    private static (FilesInMemory Files, string Name) Saved(StateMap state)
    {
        PlannedFile planned = CairnLayout.Plan([("mine", state)])[0];
        var files = new FilesInMemory();
        files.Files["7/" + planned.Name] = TestTensors.Written(planned.WriteTo);
        files.Files["7/" + planned.Name].Length.ShouldBe((int)planned.Length);
        return (files, planned.Name);
    }

    private static StateMap RoundTrip(StateMap state)
    {
        (FilesInMemory files, string name) = Saved(state);
        return CairnLayout.Read(files, "7", name).State;
    }

    private static string JsonOf(StateMap state)
    {
        (FilesInMemory files, string name) = Saved(state);
        name.ShouldBe("mine.json");
        return Encoding.UTF8.GetString(files.Files["7/mine.json"]);
    }

    // All that safetensors has a name for.
    private static readonly Gen<TensorType> SavedTypes = Gen.Enum<TensorType>().Where(type => type is not (TensorType.C32 or TensorType.C128));

    private static void ShouldEqual(StateNode actual, StateNode expected)
    {
        actual.GetType().IsAssignableTo(expected is StateTensor ? typeof(StateTensor) : expected.GetType()).ShouldBeTrue();
        switch (expected)
        {
            case StateMap map:
                ((StateMap)actual).Keys.ShouldBe(map.Keys);
                foreach ((string key, StateNode node) in map)
                    ShouldEqual(((StateMap)actual)[key], node);
                break;
            case StateList list:
                ((StateList)actual).Count.ShouldBe(list.Count);
                for (int i = 0; i < list.Count; i++)
                    ShouldEqual(((StateList)actual)[i], list[i]);
                break;
            case StateScalar { Value: double real }:
                BitConverter.DoubleToInt64Bits(((StateScalar)actual).Value.ShouldBeOfType<double>()).ShouldBe(BitConverter.DoubleToInt64Bits(real));
                break;
            case StateScalar scalar:
                ((StateScalar)actual).Value.ShouldBe(scalar.Value);
                break;
            case StateTensor tensor:
                actual.ToString().ShouldBe(tensor.ToString());
                ((StateTensor)actual).Bytes().ShouldBe(tensor.Bytes());
                break;
        }
    }

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static readonly Gen<string> Key = Gen.OneOf(
        OneOf("", "$", "$$", "$tensor", "$double", "~", "/", "a/b", "~1", "~2", "__metadata__", "0", "ü", "a\"\\\n"), Gen.String[Gen.Char.AlphaNumeric, 0, 5]);

    private static readonly Gen<StateNode> Leaf = Gen.OneOf(
        Gen.Long.Select(v => (StateNode)v), Gen.Double.Select(v => (StateNode)v), Gen.Bool.Select(v => (StateNode)v), Key.Select(v => (StateNode)v),
        OneOf(double.NaN, double.PositiveInfinity, double.NegativeInfinity, -0.0, 0.0, 1.0, 1e20, 5e-324, double.MaxValue).Select(v => (StateNode)v),
        Gen.Const((StateNode)StateScalar.Null),
        Gen.Select(SavedTypes, Gen.Int[0, 3]).Select((type, n) => (StateNode)TestTensors.Of(type, 4, n)));

    private static StateMap MapOf(IEnumerable<(string, StateNode)> entries)
    {
        var map = new StateMap();
        foreach ((string key, StateNode node) in entries)
            map[key] = node;
        return map;
    }

    private static Gen<StateNode> Node(int depth) => depth == 0 ? Leaf : Gen.OneOf(
        Leaf, Node(depth - 1).Array[0, 4].Select(items => (StateNode)new StateList(items)), Map(depth).Select(m => (StateNode)m));

    private static Gen<StateMap> Map(int depth) => Gen.Select(Key, Node(depth - 1)).Array[0, 5].Select(MapOf);

    [Fact]
    public void Any_tree_comes_back_as_it_was() => Map(3).Sample(state => ShouldEqual(RoundTrip(state), state), iter: 2000);

    [Fact]
    public void Any_flat_map_of_tensors_comes_back_in_its_order_with_its_ties() =>
        Gen.Select(Key, SavedTypes, Gen.Int[0, 2], Gen.Int[0, 5]).Array[1, 8].Sample(entries =>
        {
            var state = new StateMap();
            foreach ((string key, TensorType type, int size, int tie) in entries)
                state[key] = tie < state.Count ? state.Values.ElementAt(tie) : TestTensors.Of(type, 4, size);
            StateMap read = RoundTrip(state);
            ShouldEqual(read, state);
            StateNode[] was = [.. state.Values], now = [.. read.Values];
            for (int i = 0; i < was.Length; i++)
            {
                for (int j = 0; j < i; j++)
                    ReferenceEquals(now[i], now[j]).ShouldBe(ReferenceEquals(was[i], was[j]));
            }
        }, iter: 2000);

    [Fact]
    public void A_flat_map_of_tensors_is_plain_safetensors_that_others_load()
    {
        (FilesInMemory files, string name) = Saved(new StateMap { ["a.weight"] = TestTensors.Of(TensorType.F32, 2), ["a.bias"] = TestTensors.Of(TensorType.F32, 3) });
        name.ShouldBe("mine.safetensors");
        using SafetensorsFile file = SafetensorsFile.Open(files, "7/" + name);
        file.Tensors.Keys.ShouldBe(["a.weight", "a.bias"]);
        file.Metadata.Keys.Order(StringComparer.Ordinal).ShouldBe(["cairn.version", "format"]);
        file.Metadata["format"].ShouldBe("pt");
    }

    [Fact]
    public void A_tie_is_stored_once_and_comes_back_as_one_tensor()
    {
        MemoryTensor tied = TestTensors.Of(TensorType.F32, 1000);
        var flat = new StateMap { ["embedding"] = tied, ["norm"] = TestTensors.Of(TensorType.F64, 1), ["$head"] = tied };
        var nested = new StateMap { ["count"] = 1L, ["x"] = new StateMap { ["y"] = tied }, ["z"] = new StateList([tied]) };
        CairnLayout.Plan([("mine", flat)])[0].Length.ShouldBeLessThan(9000);
        StateMap readFlat = RoundTrip(flat), readNested = RoundTrip(nested);
        readFlat.Keys.ShouldBe(["embedding", "norm", "$head"]);
        readFlat["$head"].ShouldBeSameAs(readFlat["embedding"]);
        ((StateList)readNested["z"])[0].ShouldBeSameAs(((StateMap)readNested["x"])["y"]);
    }

    [Fact]
    public void Tensors_of_a_tree_are_named_by_their_way()
    {
        MemoryTensor tensor = TestTensors.Of(TensorType.F32, 1);
        PlannedFile file = CairnLayout.Plan([("mine", new StateMap { ["state"] = new StateList([1L, new StateMap { ["a/~b"] = tensor }]) })])[0];
        file.Tensors.Single().Name.ShouldBe("state/1/a~1~0b");
        file.Tensors.Single().Tensor.ShouldBeSameAs(tensor);
    }

    [Fact]
    public void A_part_without_tensors_is_JSON_for_people()
    {
        JsonOf(new StateMap { ["step"] = 3L, ["lr"] = 1.0, ["tiny"] = 1e-7, ["bad"] = double.NaN, ["$x"] = "ü", ["none"] = (string?)null, ["on"] = true, ["list"] = new StateList() })
            .ShouldBe("""
                {
                  "step": 3,
                  "lr": 1.0,
                  "tiny": 1E-07,
                  "bad": {
                    "$double": "NaN"
                  },
                  "$$x": "ü",
                  "none": null,
                  "on": true,
                  "list": []
                }

                """);
    }

    [Fact]
    public void Equal_states_give_equal_bytes()
    {
        static byte[] Bytes()
        {
            (FilesInMemory files, string name) = Saved(new StateMap { ["n"] = 1L, ["b"] = TestTensors.Of(TensorType.F16, 3), ["a"] = TestTensors.Of(TensorType.F64, 3) });
            return files.Files["7/" + name];
        }
        Bytes().ShouldBe(Bytes());
    }

    [Theory, InlineData(63, true), InlineData(64, false)]
    public void Depth_is_limited_when_written_as_when_read(int levels, bool good)
    {
        StateNode node = 1L;
        for (int i = 0; i < levels; i++)
            node = new StateMap { ["a"] = node };
        if (good)
            ShouldEqual(RoundTrip((StateMap)node), node);
        else
            Should.Throw<ArgumentException>(() => RoundTrip((StateMap)node)).Message.ShouldContain("64 levels");
    }

    [Fact]
    public void A_state_that_holds_itself_is_refused()
    {
        var state = new StateMap();
        state["me"] = state;
        Should.Throw<ArgumentException>(() => RoundTrip(state));
    }

    [Fact]
    public void A_text_that_UTF8_cannot_hold_is_refused_and_not_altered()
    {
        Should.Throw<ArgumentException>(() => RoundTrip(new StateMap { ["a"] = "\ud800" }));
        Should.Throw<ArgumentException>(() => RoundTrip(new StateMap { ["\udc00"] = 1L }));
    }

    [Fact]
    public void A_plain_safetensors_file_of_another_tool_is_a_map_of_its_tensors_under_their_own_names()
    {
        var files = new FilesInMemory();
        files.Files["m.safetensors"] = TestTensors.Written(SafetensorsWriter.Plan([new("a~1b", TestTensors.Of(TensorType.U8, 1)), new("a/b", TestTensors.Of(TensorType.U8, 2))]).WriteTo);
        using LoadedPart part = CairnLayout.Read(files, "", "m.safetensors");
        part.State.Keys.ShouldBe(["a~1b", "a/b"]);
    }

    [Fact]
    public void Altered_values_are_read_or_corrupt_and_nothing_else()
    {
        (FilesInMemory files, string name) = Saved(new StateMap { ["n"] = 1L, ["x"] = double.NaN, ["l"] = new StateList([1.5, "t"]), ["w"] = TestTensors.Of(TensorType.F32, 2) });
        byte[] good = files.Files["7/" + name];
        byte[] json = Encoding.UTF8.GetBytes(JsonOf(new StateMap { ["n"] = 1L, ["x"] = double.NaN, ["l"] = new StateList([1.5, "t"]) }));
        Gen.Select(Gen.Int[0, good.Length - 9], Gen.Byte).Array[1, 3].Sample(edits =>
        {
            foreach ((byte[] source, string file) in new[] { (good, "f.safetensors"), (json, "f.json") })
            {
                byte[] bytes = [.. source];
                foreach ((int at, byte value) in edits)
                    bytes[at % bytes.Length] = value;
                var altered = new FilesInMemory();
                altered.Files[file] = bytes;
                try
                {
                    CairnLayout.Read(altered, "", file).Dispose();
                }
                catch (CorruptCheckpointException)
                {
                }
                altered.Open.ShouldBe(0);
            }
        }, iter: 20_000);
    }
}
