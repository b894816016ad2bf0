using System.Numerics;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Interop.Tests;

/// <summary>Files that we write, opened by the real PyTorch.</summary>
public class TorchWriteTests
{
    private static readonly TensorType[] OldTypes =
    [
        TensorType.Bool, TensorType.U8, TensorType.I8, TensorType.I16, TensorType.I32, TensorType.I64,
        TensorType.F16, TensorType.BF16, TensorType.F32, TensorType.F64, TensorType.C64, TensorType.C128,
    ];

    private static readonly TensorType[] NewTypes =
        [TensorType.U16, TensorType.U32, TensorType.U64, TensorType.C32, TensorType.F8E4M3, TensorType.F8E5M2, TensorType.F8E4M3Fnuz, TensorType.F8E5M2Fnuz];

    [Fact]
    public void Every_dtype_is_the_same_to_the_bit() => TorchLoad.ReadsTheSame(Typed(OldTypes), TorchLoad.AllModes);

    [Fact]
    public void Newer_dtypes_are_the_same_to_the_bit()
    {
        TorchLoad.RequireVersion2("unsigned 16 to 64 bits and floats of 8 bits");
        TorchLoad.ReadsTheSame(Typed(NewTypes), TorchLoad.AllModes);
    }

    [Fact]
    public void A_storage_seen_as_several_types_keeps_them()
    {
        TorchLoad.RequireVersion2("tensors of several types in one storage");
        MemoryTensor bytes = Samples.Tensor(TensorType.U8, 64);
        var storage = new TorchStorage(bytes);
        byte[] all = Samples.Bytes(bytes);
        var map = new TorchMap
        {
            ["bytes"] = new TorchTensorValue(bytes, storage, 0, [1]),
            ["floats"] = new TorchTensorValue(new MemoryTensor(TensorType.F32, [2, 4], all.AsMemory(16, 32)), storage, 4, [4, 1]),
        };
        // PyTorch loads this, and refuses to save it.
        TorchLoad.ReadsTheSame(map, canSaveAgain: false, TorchLoad.AllModes);
    }

    [Fact]
    public void Plain_values_are_the_same_under_the_restricted_unpickler() => TorchLoad.ReadsTheSame(PlainValues(), TorchLoad.AllModes);

    [Fact]
    public void All_values_are_the_same()
    {
        TorchMap map = PlainValues();
        map.Add("floats", new TorchList(TorchListKind.List, [0.1, -0.0, double.NaN, double.PositiveInfinity, double.Epsilon]));
        map.Add("bytes", new TorchList(TorchListKind.List, [new TorchScalar(Array.Empty<byte>()), new TorchScalar([.. Enumerable.Range(0, 256).Select(i => (byte)i)])]));
        map.Add("complex", new TorchScalar(new Complex(1.5, -2)));
        map.Add("set", new TorchList(TorchListKind.Set, [1L, 2L, 3L]));
        map.Add("empty set", new TorchList(TorchListKind.Set));
        map.Add("device", new TorchObject(new TorchGlobal("torch", "device"), new TorchList(TorchListKind.Tuple, ["cuda", 1L])));
        map.Add("dtypes", new TorchList(TorchListKind.List, new[] { "float32", "bool", "uint8", "bfloat16" }.Select(name => new TorchGlobal("torch", name))));
        map.Add("counter", new TorchMap(TorchMapKind.Counter) { ["a"] = 2, ["b"] = 1 });
        // The restricted unpickler of 1.13 knows none of these, whoever wrote the file.
        TorchLoad.ReadsTheSame(map, TorchLoad.IsVersion2 ? TorchLoad.AllModes : ["plain"]);
    }

    [Fact]
    public void Views_keep_strides_and_offset_and_share_one_storage()
    {
        MemoryTensor whole = Samples.Tensor(TensorType.F32, 6, 8);
        var storage = new TorchStorage(whole);
        TorchTensorValue View(long offset, long[] shape, long[] strides) => new(Samples.Gather(whole, offset, shape, strides), storage, offset, strides);
        var tied = new TorchTensorValue(Samples.Tensor(TensorType.F32, 3), isParameter: true);
        var map = new TorchMap
        {
            ["whole"] = View(0, [6, 8], [8, 1]),
            ["transposed"] = View(0, [8, 6], [1, 8]),
            ["every second column"] = View(1, [6, 4], [8, 2]),
            ["expanded"] = View(5, [3, 2], [0, 1]),
            ["one"] = View(47, [], []),
            ["none"] = View(48, [0, 3], [3, 1]),
            ["tied"] = tied,
            ["tied too"] = tied,
            ["parameter over a view"] = new TorchTensorValue(Samples.Gather(whole, 8, [8], [1]), storage, 8, [1], isParameter: true, requiresGrad: false),
            ["asks for gradients"] = new TorchTensorValue(Samples.Tensor(TensorType.F64, 2), new TorchStorage(Samples.Tensor(TensorType.F64, 2)), 0, [1], requiresGrad: true),
        };
        TorchFileWriter file = TorchLoad.ReadsTheSame(map, TorchLoad.AllModes);
        file.Tensors.Count.ShouldBe(3);
        file.Tensors.ShouldAllBe(tensor => tensor.Offset % 64 == 0);
    }

    [Fact]
    public void Empty_and_single_tensors_are_the_same() => TorchLoad.ReadsTheSame(new TorchMap
    {
        ["no elements"] = new TorchTensorValue(Samples.Tensor(TensorType.F32, 0)),
        ["no rows"] = new TorchTensorValue(Samples.Tensor(TensorType.I64, 0, 4)),
        ["no columns"] = new TorchTensorValue(Samples.Tensor(TensorType.BF16, 4, 0, 2)),
        ["inner of none"] = new TorchTensorValue(Samples.Tensor(TensorType.F32, 2, 0), new TorchStorage(Samples.Tensor(TensorType.F32, 0)), 1, [4, 4]),
        ["no dimensions"] = new TorchTensorValue(Samples.Tensor(TensorType.F32)),
        ["parameter"] = new TorchTensorValue(Samples.Tensor(TensorType.F16, 1), isParameter: true),
        ["five dimensions"] = new TorchTensorValue(Samples.Tensor(TensorType.I8, 2, 1, 3, 1, 2)),
    }, TorchLoad.AllModes);

    [Fact]
    public void The_root_may_be_any_value()
    {
        TorchLoad.ReadsTheSame("text", TorchLoad.AllModes);
        TorchLoad.ReadsTheSame(new TorchTensorValue(Samples.Tensor(TensorType.F32, 2, 2)), TorchLoad.AllModes);
        TorchLoad.ReadsTheSame(new TorchMap(), TorchLoad.AllModes);
    }

    [Fact]
    public void A_value_that_stands_at_many_places_is_one_in_python_too()
    {
        Python.Require();
        TorchValue deep = 7;
        for (int i = 0; i < 100; i++)
            deep = new TorchList(TorchListKind.Tuple, [deep, deep]);
        var tied = new TorchTensorValue(Samples.Tensor(TensorType.F32, 3));
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "identity.pt");
        TorchLoad.Write(TorchFileWriter.Plan(new TorchMap
        {
            ["deep"] = deep,
            ["tied"] = tied,
            ["tied too"] = tied,
            ["surrogate"] = "a\uD800b",
            ["default"] = new TorchMap(TorchMapKind.DefaultDict) { ["a"] = 1 },
        }, "identity"), path);
        Python.Run("identity.py", [path]).ShouldBe("levels 100 7\ntied True\nsurrogate ['0x61', '0xd800', '0x62']\ndefault dict {'a': 1}\n");
    }

    private static TorchMap Typed(IEnumerable<TensorType> types)
    {
        var map = new TorchMap();
        foreach (TensorType type in types)
        {
            map.Add(type.ToString(), new TorchTensorValue(Samples.Tensor(type, 3, 5)));
            map.Add($"{type} of no dimensions", new TorchTensorValue(Samples.Tensor(type)));
        }
        return map;
    }

    // Only what the restricted unpickler of 1.13 takes.
    private static TorchMap PlainValues()
    {
        var metadata = new TorchMap(TorchMapKind.OrderedDict) { [""] = new TorchMap { ["version"] = 1 } };
        var shared = new TorchList(TorchListKind.List, [1L, "shared"]);
        var many = new TorchMap();
        for (int i = 0; i < 2500; i++)
            many.Add(i, $"value {i % 700}");
        return new TorchMap
        {
            ["none"] = TorchScalar.None,
            ["bools"] = new TorchList(TorchListKind.Tuple, [true, false]),
            ["ints"] = new TorchList(TorchListKind.List, new[] { 0, 1, -1, 255, 256, 65535, 65536, int.MaxValue, int.MinValue, 1L << 31, long.MaxValue, long.MinValue }.Select(number => (TorchValue)number)),
            ["large ints"] = new TorchList(TorchListKind.List, new[] { BigInteger.Pow(2, 63), -BigInteger.Pow(2, 63) - 1, BigInteger.Pow(7, 300) }.Select(number => new TorchScalar(number))),
            ["texts"] = new TorchList(TorchListKind.List, ["", "plain", "größer 漢字 🙂", new string('x', 70_000), "plain"]),
            ["tuples"] = new TorchList(TorchListKind.Tuple, Enumerable.Range(0, 6).Select(count => new TorchList(TorchListKind.Tuple, Enumerable.Range(0, count).Select(i => (TorchValue)i)))),
            ["size"] = new TorchList(TorchListKind.Size, [2L, 3L]),
            ["dtype"] = new TorchGlobal("torch", "int64"),
            ["one item"] = new TorchList(TorchListKind.List, ["single"]),
            ["many items"] = new TorchList(TorchListKind.List, Enumerable.Range(0, 2001).Select(i => (TorchValue)i)),
            ["many entries"] = many,
            ["state dict"] = new TorchMap(TorchMapKind.OrderedDict) { Attributes = new TorchMap { ["_metadata"] = metadata }, ["weight"] = new TorchTensorValue(Samples.Tensor(TensorType.F32, 2)) },
            ["no entries"] = new TorchMap(TorchMapKind.OrderedDict),
            ["shared"] = shared,
            ["shared too"] = shared,
            [7] = new TorchMap { [true] = 1, [new TorchList(TorchListKind.Tuple, [1L, "a"])] = 2, [TorchScalar.None] = 3 },
        };
    }
}
