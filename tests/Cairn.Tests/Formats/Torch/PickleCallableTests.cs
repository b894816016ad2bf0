using System.Numerics;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch;

/// <summary>The classes and functions that are plain data are interpreted; all others are refused by name.</summary>
public class PickleCallableTests
{
    private static string Dtype(string code, string order) =>
        Pickles.Call("numpy dtype", Pickles.Text(code), "\u0089", "\u0088") + Pickles.Tuple("K\u0003", Pickles.Text(order), "N", "N", "N", Pickles.Int(-1), Pickles.Int(-1), "K\u0000") + "b";

    private static string NumpyScalar(string dtype, byte[] bytes) => Pickles.Call("numpy.core.multiarray scalar", dtype, Pickles.Bytes(bytes)) + ".";

    private static string NumpyArray(string dtype, long[] shape, bool fortran, byte[] bytes, string core = "numpy.core") =>
        Pickles.Call(core + ".multiarray _reconstruct", Pickles.Global("numpy ndarray"), Pickles.Ints(0), Pickles.Bytes("b"u8))
        + Pickles.Tuple("K\u0001", Pickles.Ints(shape), dtype, fortran ? "\u0088" : "\u0089", Pickles.Bytes(bytes)) + "b";

    [Theory]
    [InlineData("builtins set", TorchListKind.Set)]
    [InlineData("__builtin__ set", TorchListKind.Set)]
    [InlineData("builtins frozenset", TorchListKind.FrozenSet)]
    [InlineData("torch Size", TorchListKind.Size)]
    [InlineData("builtins list", TorchListKind.List)]
    public void A_sequence_is_made_of_another(string global, TorchListKind kind)
    {
        TorchList list = Pickles.Read(Pickles.Call(global, "](K\u0001K\u0002e") + ".").ShouldBeOfType<TorchList>();
        list.Kind.ShouldBe(kind);
        list.Count.ShouldBe(2);
    }

    [Fact]
    public void Maps_of_collections_are_made()
    {
        TorchMap ordered = Pickles.Read(Pickles.Call("collections OrderedDict", "](](K\u0001K\u0002e](K\u0003K\u0004ee") + ".").ShouldBeOfType<TorchMap>();
        ordered.Kind.ShouldBe(TorchMapKind.OrderedDict);
        ordered[3].ShouldBe(new TorchScalar(4));
        TorchMap fallback = Pickles.Read(Pickles.Call("collections defaultdict", Pickles.Global("builtins list")) + "K\u0001]s.").ShouldBeOfType<TorchMap>();
        fallback.Kind.ShouldBe(TorchMapKind.DefaultDict);
        fallback.DefaultFactory!.ToString().ShouldBe("builtins.list");
        TorchMap counter = Pickles.Read(Pickles.Call("collections Counter", "}" + Pickles.Text("a") + "K\u0002s") + ".").ShouldBeOfType<TorchMap>();
        counter.Kind.ShouldBe(TorchMapKind.Counter);
        counter["a"].ShouldBe(new TorchScalar(2));
    }

    [Fact]
    public void Names_of_python_2_are_those_of_today()
    {
        TorchObject range = Pickles.Read(Pickles.Call("__builtin__ xrange", "K\u0002", "K\u0009", "K\u0003") + ".").ShouldBeOfType<TorchObject>();
        range.Type.ToString().ShouldBe("builtins.range");
        range.IsOpaque.ShouldBeFalse();
        TorchMap fallback = Pickles.Read(Pickles.Call("collections defaultdict", Pickles.Global("__builtin__ long")) + ".").ShouldBeOfType<TorchMap>();
        fallback.DefaultFactory!.ToString().ShouldBe("builtins.int");
        // Outside of the builtins these are names like any other.
        Should.Throw<ForbiddenPickleException>(() => Pickles.Read(Pickles.Global("other xrange") + ".")).Callable.ShouldBe("other.xrange");
    }

    [Fact]
    public void A_parameter_without_elements_of_its_own_is_listed()
    {
        string meta = Pickles.Call("torch._utils _rebuild_meta_tensor_no_storage", Pickles.Global("torch float32"), Pickles.Ints(2), Pickles.Ints(1), "\u0089");
        TorchObject parameter = Pickles.Read(Pickles.Call("torch._utils _rebuild_parameter", meta, "\u0088", "N") + ".").ShouldBeOfType<TorchObject>();
        parameter.Arguments[0].ShouldBeOfType<TorchObject>().Type.Name.ShouldBe("_rebuild_meta_tensor_no_storage");
        Should.Throw<CorruptTorchFileException>(() => Pickles.Read(Pickles.Call("torch._utils _rebuild_parameter", Pickles.Call("torch device", Pickles.Text("cpu")), "\u0088", "N") + "."));
    }

    [Fact]
    public void Complex_and_bytes_are_made()
    {
        Pickles.Scalar(Pickles.Call("builtins complex", "G?\u00f0\0\0\0\0\0\0", "G\u00c0\0\0\0\0\0\0\0") + ".").ShouldBe(new Complex(1, -2));
        Pickles.Scalar(Pickles.Call("_codecs encode", Pickles.Text("\u00ff\0a"), Pickles.Text("latin1")) + ".").ShouldBe(new byte[] { 255, 0, 97 });
        Pickles.Scalar(Pickles.Call("__builtin__ bytes") + ".").ShouldBe(Array.Empty<byte>());
        Pickles.Scalar(Pickles.Call("builtins bytearray", "C\u0001a") + ".").ShouldBe("a"u8.ToArray());
    }

    [Theory]
    [InlineData("b1", "01", true)]
    [InlineData("i1", "ff", -1L)]
    [InlineData("i2", "feff", -2L)]
    [InlineData("i4", "00000080", (long)int.MinValue)]
    [InlineData("i8", "0100000000000000", 1L)]
    [InlineData("u1", "ff", 255L)]
    [InlineData("u2", "ffff", 65535L)]
    [InlineData("u4", "ffffffff", 4294967295L)]
    [InlineData("f2", "003e", 1.5)]
    [InlineData("f4", "0000c0bf", -1.5)]
    [InlineData("f8", "000000000000f83f", 1.5)]
    [InlineData("U2", "fc00000000000000", "ü")]
    public void A_scalar_of_numpy_becomes_a_plain_one(string code, string bytes, object value) =>
        Pickles.Scalar(NumpyScalar(Dtype(code, "<"), Convert.FromHexString(bytes))).ShouldBe(value);

    [Fact]
    public void The_largest_scalars_of_numpy_keep_their_value()
    {
        Pickles.Scalar(NumpyScalar(Dtype("u8", "<"), [.. Enumerable.Repeat((byte)0xFF, 8)])).ShouldBe(new BigInteger(ulong.MaxValue));
        Pickles.Scalar(NumpyScalar(Dtype("c8", "<"), Convert.FromHexString("0000c03f000000c0"))).ShouldBe(new Complex(1.5, -2));
        Pickles.Scalar(NumpyScalar(Dtype("f8", ">"), Convert.FromHexString("3ff8000000000000"))).ShouldBe(1.5);
        Pickles.Scalar(NumpyScalar(Dtype("c8", ">"), Convert.FromHexString("3fc00000c0000000"))).ShouldBe(new Complex(1.5, -2));
        Pickles.Scalar(NumpyScalar(Dtype("S3", "|"), "abc"u8.ToArray())).ShouldBe("abc"u8.ToArray());
    }

    [Theory]
    [InlineData("numpy.core")]
    [InlineData("numpy._core")]
    public void An_array_of_numpy_becomes_a_tensor(string core)
    {
        TorchTensorValue tensor = Pickles.Read(NumpyArray(Dtype("f4", "<"), [2, 2], false, Pickles.Floats(4), core) + ".").ShouldBeOfType<TorchTensorValue>();
        tensor.Data.Type.ShouldBe(TensorType.F32);
        tensor.Data.Shape.ShouldBe([2L, 2L]);
        tensor.Data.Bytes().ShouldBe(Pickles.Floats(4));
        tensor.IsParameter.ShouldBeFalse();
    }

    [Fact]
    public void An_array_in_fortran_order_and_one_that_is_big_endian_are_turned()
    {
        TorchTensorValue fortran = Pickles.Read(NumpyArray(Dtype("u1", "|"), [2, 3], true, [1, 4, 2, 5, 3, 6]) + ".").ShouldBeOfType<TorchTensorValue>();
        fortran.Data.Bytes().ShouldBe(new byte[] { 1, 2, 3, 4, 5, 6 });
        fortran.Strides.ShouldBe([1L, 2L]);
        TorchTensorValue big = Pickles.Read(NumpyArray(Dtype("i2", ">"), [2], false, [0, 1, 2, 0]) + ".").ShouldBeOfType<TorchTensorValue>();
        big.Data.Bytes().ShouldBe(new byte[] { 1, 0, 0, 2 });
        TorchTensorValue buffer = Pickles.Read(Pickles.Call("numpy._core.numeric _frombuffer", Pickles.Bytes([1, 2]), Dtype("u1", "|"), Pickles.Ints(2), Pickles.Text("C")) + ".").ShouldBeOfType<TorchTensorValue>();
        buffer.Data.Bytes().ShouldBe(new byte[] { 1, 2 });
    }

    [Fact]
    public void An_array_that_is_remembered_before_it_is_filled_is_one_instance()
    {
        string array = Pickles.Call("numpy.core.multiarray _reconstruct", Pickles.Global("numpy ndarray"), Pickles.Ints(0), Pickles.Bytes("b"u8)) + "q\u0001"
            + Pickles.Tuple("K\u0001", Pickles.Ints(1), Dtype("u1", "|"), "\u0089", "C\u0001x") + "b";
        TorchList list = Pickles.Read("](" + array + "h\u0001e.").ShouldBeOfType<TorchList>();
        list[1].ShouldBeSameAs(list[0]);
    }

    [Fact]
    public void Parameters_and_tensors_with_attributes_are_made()
    {
        string tensor = Pickles.Tensor(Pickles.Storage(), 1, [2], [2]);
        using TorchFile file = Pickles.Open("](" + Pickles.Call("torch._utils _rebuild_parameter", tensor, "\u0088", Pickles.Call("collections OrderedDict"))
            + Pickles.Call("torch._utils _rebuild_parameter_with_state", tensor, "\u0089", "N", "}" + Pickles.Text("tp") + "\u0088s")
            + Pickles.Call("torch._tensor _rebuild_from_type_v2", Pickles.Global("torch._utils _rebuild_tensor_v2"), Pickles.Global("torch Tensor"), Pickles.Tuple(Pickles.Storage(), "K\u0000", Pickles.Ints(4), Pickles.Ints(1), "\u0089", "N"), "}" + Pickles.Text("x") + "K\u0001s") + "e.");
        TorchTensorValue[] values = [.. ((TorchList)file.Root).Cast<TorchTensorValue>()];
        (values[0].IsParameter, values[0].RequiresGrad).ShouldBe((true, true));
        (values[1].IsParameter, values[1].RequiresGrad).ShouldBe((true, false));
        values[1].Attributes.ShouldBeOfType<TorchMap>()["tp"].ShouldBe(new TorchScalar(true));
        values[1].Data.ShouldBeSameAs(values[0].Data);
        values[0].Data.Bytes().ShouldBe([.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(3f)]);
        values[2].IsParameter.ShouldBeFalse();
        values[2].Attributes.ShouldBeOfType<TorchMap>()["x"].ShouldBe(new TorchScalar(1));
    }

    [Fact]
    public void A_parameter_of_before_0_4_is_made_of_its_data_and_then_given_its_state()
    {
        string tensor = Pickles.Tensor(Pickles.Storage(), 0, [2], [1]), state = Pickles.Tuple("\u0089", "\u0089", Pickles.Call("collections OrderedDict")) + "b";
        using TorchFile file = Pickles.Open("](" + Pickles.Call("torch.nn.parameter Parameter", tensor) + state + Pickles.Call("torch.autograd.variable Variable", tensor) + state + "e.");
        TorchTensorValue[] values = [.. ((TorchList)file.Root).Cast<TorchTensorValue>()];
        values.Select(value => (value.IsParameter, value.RequiresGrad)).ShouldBe([(true, false), (false, false)]);
        values[0].Data.Bytes().ShouldBe(Pickles.Floats(2));
        Should.Throw<CorruptTorchFileException>(() => Pickles.Open(tensor + Pickles.Tuple("N", "\u0089", "N") + "b.")).Fault.ShouldBe(TorchFault.Value);
    }

    [Theory]
    [InlineData("float8_e4m3fn", TensorType.F8E4M3)]
    [InlineData("uint16", TensorType.U16)]
    [InlineData("complex32", TensorType.C32)]
    [InlineData("complex128", TensorType.C128)]
    public void A_tensor_of_an_untyped_storage_has_the_type_that_is_named(string dtype, TensorType type)
    {
        int count = 16 / (type.BitsPerElement() / 8);
        using TorchFile file = Pickles.Open(Pickles.Call("torch._utils _rebuild_tensor_v3", Pickles.Storage("0", 16, "UntypedStorage"), "K\u0000", Pickles.Ints(count), Pickles.Ints(1), "\u0089", "N", Pickles.Global($"torch {dtype}")) + ".");
        TorchTensorValue tensor = file.Root.ShouldBeOfType<TorchTensorValue>();
        tensor.Data.Type.ShouldBe(type);
        tensor.Data.Bytes().ShouldBe(Pickles.Floats(4));
        tensor.Storage.Bytes.Type.ShouldBe(TensorType.U8);
    }

    [Fact]
    public void Sparse_and_meta_tensors_stay_what_they_were_saved_as()
    {
        string layout = Pickles.Call("torch.serialization _get_layout", Pickles.Text("torch.sparse_coo"));
        using TorchFile file = Pickles.Open(Pickles.Call("torch._utils _rebuild_sparse_tensor", layout, Pickles.Tuple(Pickles.Tensor(Pickles.Storage(), 0, [1, 2], [2, 1]), Pickles.Tensor(Pickles.Storage(), 2, [2], [1]), Pickles.Ints(5))) + ".");
        TorchObject sparse = file.Root.ShouldBeOfType<TorchObject>();
        sparse.Type.ToString().ShouldBe("torch._utils._rebuild_sparse_tensor");
        ((TorchList)sparse.Arguments[1])[1].ShouldBeOfType<TorchTensorValue>().Data.Shape.ShouldBe([2L]);
        Pickles.Read(Pickles.Call("torch._utils _rebuild_meta_tensor_no_storage", Pickles.Global("torch float32"), Pickles.Ints(2), Pickles.Ints(1), "\u0089") + ".").ShouldBeOfType<TorchObject>().Arguments.Count.ShouldBe(4);
    }

    [Fact]
    public void A_storage_among_other_values_is_a_tensor()
    {
        using TorchFile file = Pickles.Open(Pickles.Tuple(Pickles.Storage() + "q\u0001", "K\u0001", "}K\u0000h\u0001s") + ".");
        TorchList tuple = file.Root.ShouldBeOfType<TorchList>();
        TorchTensorValue tensor = tuple[0].ShouldBeOfType<TorchTensorValue>();
        ((TorchMap)tuple[2])[0].ShouldBeSameAs(tensor);
    }

    [Theory]
    [InlineData("cos\nsystem\n(S'x'\ntR.", "os.system")]
    [InlineData("c__builtin__\neval\n(S'x'\ntR.", "builtins.eval")]
    [InlineData("(S'x'\nios\nsystem\n.", "os.system")]
    [InlineData("\u008c\u0002os\u008c\u000bpath.system\u0093.", "os.path.system")]
    public void Anything_else_is_refused_by_name(string pickle, string callable)
    {
        ForbiddenPickleException refused = Should.Throw<ForbiddenPickleException>(() => Pickles.Read(pickle));
        refused.Callable.ShouldBe(callable);
        refused.Path.ShouldBe("p.pkl");
    }

    [Fact]
    public void On_request_unknown_objects_can_be_listed()
    {
        var options = new TorchReadOptions { AllowOpaque = true };
        TorchObject called = Pickles.Read("cos\nsystem\n(S'rm'\ntR.", options).ShouldBeOfType<TorchObject>();
        (called.IsOpaque, called.IsNew, called.ToString()).ShouldBe((true, false, "os.system(…)"));
        called.Arguments[0].ShouldBe(new TorchScalar("rm"));
        TorchObject config = Pickles.Read("cmy\nConfig\n)\u0081}K\u0001K\u0002sb(K\u0003K\u0004uK\u0006a.", options).ShouldBeOfType<TorchObject>();
        (config.IsOpaque, config.IsNew).ShouldBe((true, true));
        config.State.ShouldBeOfType<TorchMap>()[1].ShouldBe(new TorchScalar(2));
        config.Entries![3].ShouldBe(new TorchScalar(4));
        config.Items![0].ShouldBe(new TorchScalar(6));
        // A class within a class, which protocol 2 pickles as getattr: named, and not looked up.
        TorchObject inner = Pickles.Read("cbuiltins\ngetattr\n(cmy\nOuter\nS'Inner'\ntR)\u0081.", options).ShouldBeOfType<TorchObject>();
        (inner.IsOpaque, inner.Type.ToString()).ShouldBe((true, "my.Outer.Inner"));
        Pickles.Read("cmy\nname\n.", options).ShouldBeOfType<TorchGlobal>().ToString().ShouldBe("my.name");
    }
}
