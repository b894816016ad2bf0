using System.Numerics;
using Cairn.Formats.Torch;

namespace Cairn.Tests.Formats.Torch;

/// <summary>Each opcode of the protocols 0 to 5 does what CPython's <c>pickle</c> makes of it.</summary>
public class PickleOpcodeTests
{
    [Theory]
    [InlineData("N.", null)]
    [InlineData("\u0088.", true)]
    [InlineData("\u0089.", false)]
    [InlineData("I01\n.", true)]
    [InlineData("I00\n.", false)]
    [InlineData("I-42\n.", -42L)]
    [InlineData("I42\r\n.", 42L)]
    [InlineData("K\u00ff.", 255L)]
    [InlineData("M\u0001\u0002.", 0x0201L)]
    [InlineData("J\u00fe\u00ff\u00ff\u00ff.", -2L)]
    [InlineData("L42L\n.", 42L)]
    [InlineData("L-9223372036854775808L\n.", long.MinValue)]
    [InlineData("\u008a\u0000.", 0L)]
    [InlineData("\u008a\u0001\u0080.", -128L)]
    [InlineData("\u008b\u0002\u0000\u0000\u0000\u0000\u0001.", 256L)]
    [InlineData("F1.5\n.", 1.5)]
    [InlineData("F-inf\n.", double.NegativeInfinity)]
    [InlineData("Fnan\n.", double.NaN)]
    [InlineData("F1e-3\n.", 0.001)]
    [InlineData("G\u00bf\u00f8\u0000\u0000\u0000\u0000\u0000\u0000.", -1.5)]
    [InlineData("S'a\\n\\x41\\101\\'\\\\'\n.", "a\nAA'\\")]
    [InlineData("S\"it's\"\n.", "it's")]
    [InlineData("T\u0002\u0000\u0000\u0000ab.", "ab")]
    [InlineData("U\u0002\u00c3\u00bc.", "ü")]
    [InlineData("Vab\\u4e16\\U0001F600\u00fc\\x\n.", "ab世😀ü\\x")]
    [InlineData("X\u0003\u0000\u0000\u0000abc.", "abc")]
    [InlineData("\u008c\u0002\u00c3\u00bc.", "ü")]
    [InlineData("\u008d\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0000a.", "a")]
    public void A_scalar_is_read(string pickle, object? value) => Pickles.Scalar(pickle).ShouldBe(value);

    [Theory]
    [InlineData("C\u0002ab.")]
    [InlineData("B\u0002\u0000\u0000\u0000ab.")]
    [InlineData("\u008e\u0002\u0000\u0000\u0000\u0000\u0000\u0000\u0000ab.")]
    [InlineData("\u0096\u0002\u0000\u0000\u0000\u0000\u0000\u0000\u0000ab.")]
    public void Bytes_are_read(string pickle) => Pickles.Scalar(pickle).ShouldBe("ab"u8.ToArray());

    [Fact]
    public void A_text_of_python_2_that_is_not_utf8_is_bytes() =>
        Pickles.Scalar("U\u0002\u00ff\u00fe.").ShouldBe(new byte[] { 0xFF, 0xFE });

    [Fact]
    public void A_number_beyond_64_bits_is_read_in_each_way()
    {
        BigInteger large = BigInteger.Pow(2, 64);
        Pickles.Scalar("L18446744073709551616L\n.").ShouldBe(large);
        Pickles.Scalar("I18446744073709551616\n.").ShouldBe(large);
        Pickles.Scalar("\u008a\u0009\0\0\0\0\0\0\0\0\u0001.").ShouldBe(large);
        Pickles.Scalar("\u008a\u0009\0\0\0\0\0\0\0\0\u00ff.").ShouldBe(-large);
    }

    [Theory]
    [InlineData("(K\u0001K\u0002t.", TorchListKind.Tuple, 2)]
    [InlineData(").", TorchListKind.Tuple, 0)]
    [InlineData("K\u0001\u0085.", TorchListKind.Tuple, 1)]
    [InlineData("K\u0001K\u0002\u0086.", TorchListKind.Tuple, 2)]
    [InlineData("K\u0001K\u0002K\u0003\u0087.", TorchListKind.Tuple, 3)]
    [InlineData("].", TorchListKind.List, 0)]
    [InlineData("(K\u0001K\u0002l.", TorchListKind.List, 2)]
    [InlineData("]K\u0001a.", TorchListKind.List, 1)]
    [InlineData("](K\u0001K\u0002e.", TorchListKind.List, 2)]
    [InlineData("\u008f.", TorchListKind.Set, 0)]
    [InlineData("\u008f(K\u0001K\u0002\u0090.", TorchListKind.Set, 2)]
    [InlineData("(K\u0001K\u0002\u0091.", TorchListKind.FrozenSet, 2)]
    public void A_sequence_is_read(string pickle, TorchListKind kind, int count)
    {
        TorchList list = Pickles.Read(pickle).ShouldBeOfType<TorchList>();
        list.Kind.ShouldBe(kind);
        list.Select(item => ((TorchScalar)item).Value).ShouldBe(Enumerable.Range(1, count).Select(i => (object)(long)i));
    }

    [Theory]
    [InlineData("}.", 0)]
    [InlineData("(K\u0000Nd.", 1)]
    [InlineData("}K\u0000Ns.", 1)]
    [InlineData("}(K\u0000NK\u0001Nu.", 2)]
    public void A_dict_is_read(string pickle, int count) => Pickles.Read(pickle).ShouldBeOfType<TorchMap>().Count.ShouldBe(count);

    [Fact]
    public void A_later_value_of_a_key_wins_and_keeps_the_place()
    {
        TorchMap map = Pickles.Read("}(K\u0001K\u0001K\u0002K\u0002K\u0001K\u0003u.").ShouldBeOfType<TorchMap>();
        map.Select(pair => (((TorchScalar)pair.Key).Value, ((TorchScalar)pair.Value).Value)).ShouldBe([((object)1L, (object)3L), (2L, 2L)]);
    }

    [Theory]
    [InlineData("K\u0007N0.")]
    [InlineData("K\u000720.")]
    [InlineData("K\u0007(NN1.")]
    [InlineData("K\u0007(0.")]
    public void The_stack_is_kept(string pickle) => Pickles.Scalar(pickle).ShouldBe(7L);

    [Theory]
    [InlineData("K\u0007p0\n0g0\n.")]
    [InlineData("K\u0007q\u00050h\u0005.")]
    [InlineData("K\u0007r\u00ff\u00ff\u00ff\u00ff0j\u00ff\u00ff\u00ff\u00ff.")]
    [InlineData("K\u0007\u00940h\u0000.")]
    [InlineData("N\u0094K\u0007\u009400h\u0001.")]
    [InlineData("Nq\u00010K\u0007q\u00010h\u0001.")]
    public void The_memo_gives_back_what_was_put(string pickle) => Pickles.Scalar(pickle).ShouldBe(7L);

    [Fact]
    public void A_value_that_is_shared_is_one_instance()
    {
        TorchList list = Pickles.Read("](]q\u0001h\u0001h\u0001e.").ShouldBeOfType<TorchList>();
        list[1].ShouldBeSameAs(list[0]);
        list[2].ShouldBeSameAs(list[0]);
    }

    [Fact]
    public void Protocol_and_frames_are_passed_over() =>
        Pickles.Scalar("\u0080\u0005\u0095\u0003\u0000\u0000\u0000\u0000\u0000\u0000\u0000K\u0007.").ShouldBe(7L);

    [Theory]
    [InlineData("ctorch\nSize\n(K\u0001K\u0002t\u0085R.")]
    [InlineData("\u008c\u0005torch\u008c\u0004Size\u0093(K\u0001K\u0002t\u0085R.")]
    [InlineData("ctorch\nSize\n(K\u0001K\u0002t\u0085\u0081.")]
    [InlineData("ctorch\nSize\n(K\u0001K\u0002t\u0085}\u0092.")]
    [InlineData("((K\u0001K\u0002titorch\nSize\n.")]
    [InlineData("(ctorch\nSize\n(K\u0001K\u0002to.")]
    public void A_known_class_is_made_by_each_opcode(string pickle)
    {
        TorchList size = Pickles.Read(pickle).ShouldBeOfType<TorchList>();
        size.Kind.ShouldBe(TorchListKind.Size);
        size.Count.ShouldBe(2);
    }

    [Fact]
    public void Attributes_are_given_to_a_dict_and_a_state_to_an_object()
    {
        TorchMap map = Pickles.Read(Pickles.Call("collections OrderedDict") + "}" + Pickles.Text("_metadata") + "K\u0001sb.").ShouldBeOfType<TorchMap>();
        map.Kind.ShouldBe(TorchMapKind.OrderedDict);
        map.Attributes!["_metadata"].ShouldBe(new TorchScalar(1));
        TorchObject metadata = Pickles.Read(Pickles.Global("torch.distributed.checkpoint.metadata Metadata") + ")\u0081}" + Pickles.Text("a") + "K\u0001sb.").ShouldBeOfType<TorchObject>();
        metadata.IsNew.ShouldBeTrue();
        metadata.IsOpaque.ShouldBeFalse();
        metadata.State.ShouldBeOfType<TorchMap>()["a"].ShouldBe(new TorchScalar(1));
    }

    [Fact]
    public void Persistent_ids_refer_to_storages()
    {
        using TorchFile file = Pickles.Open(Pickles.Storage() + ".");
        TorchTensorValue tensor = file.Root.ShouldBeOfType<TorchTensorValue>();
        tensor.Data.Shape.ShouldBe([4L]);
        tensor.Data.Bytes().ShouldBe(Pickles.Floats(4));
        Should.Throw<CorruptTorchFileException>(() => Pickles.Read(Pickles.Storage() + ".")).Fault.ShouldBe(TorchFault.StorageReference);
    }

    [Fact]
    public void A_text_longer_than_the_window_is_read()
    {
        string text = string.Concat(Enumerable.Range(0, 40_000).Select(i => $"{i} "));
        Pickles.Scalar(Pickles.Text(text) + ".").ShouldBe(text);
        Pickles.Scalar("V" + text + "\n.").ShouldBe(text);
        Pickles.Scalar(Pickles.Bytes(Pickles.Raw(text)) + ".").ShouldBe(Pickles.Raw(text));
    }
}
