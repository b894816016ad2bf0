using Cairn.Formats.Torch;
using Cairn.Inspection;
using Cairn.Layouts.PyTorch;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch;

/// <summary>A file is intact whose values are too deep, contain themselves or stand for too many: only what is concerned is not read.</summary>
public class ValuePruningTests
{
    private const string Weight = "w";

    [Fact]
    public void What_is_nested_too_deeply_is_named_and_the_model_is_read() =>
        NamesBeside(string.Concat(Enumerable.Repeat("]", 3000)) + string.Concat(Enumerable.Repeat("a", 2999))).ShouldBe("extra (a value that is nested deeper than 512 levels)");

    [Fact]
    public void What_lies_above_the_depth_is_read()
    {
        string chain = "}";
        for (int i = 0; i < 700; i++)
            chain = Map(("n", chain), ("at", Pickles.Int(i)));
        (StateMap state, string note) = Beside(chain);
        note.ShouldContain("nested deeper than");
        StateLeaves.Of(state["extra"]).Count(leaf => leaf.Node is StateScalar { Value: long }).ShouldBeInRange(480, 512);
    }

    [Theory]
    [InlineData("}q\u0005" + "K\u0001h\u0005s" + "K\u0002K\u0003s", "extra/1 (a value that contains itself)")]
    [InlineData("]q\u0005h\u0005a", "extra (a value that contains itself)")]
    [InlineData("]q\u0005(K\u0001h\u0005e", "extra/1 (a value that contains itself)")]
    public void What_contains_itself_is_named_and_the_model_is_read(string value, string named) => NamesBeside(value).ShouldBe(named);

    [Fact]
    public void What_stands_for_more_values_than_any_walk_meets_is_named_and_the_model_is_read()
    {
        string list = Pickles.Text("leaf");
        for (int i = 0; i < 60; i++)
            list = $"](" + list + $"q{(char)i}h{(char)i}e";
        NamesBeside(list).ShouldStartWith("extra (a value that is made of others again and again");
    }

    [Fact]
    public void Of_a_dict_that_stands_for_too_many_values_the_light_ones_are_read()
    {
        string list = "](" + string.Concat(Enumerable.Repeat("N", 100)) + "eq\u0001";
        for (int i = 2; i < 5; i++)
            list = "](" + list + string.Concat(Enumerable.Repeat($"h{(char)(i - 1)}", 100)) + $"eq{(char)i}";
        (StateMap state, string note) = Beside(Map(("heavy", list), ("lr", Pickles.Int(3))));
        note.ShouldContain("extra/heavy (");
        ((StateScalar)((StateMap)state["extra"])["lr"]).Value.ShouldBe(3L);
    }

    [Fact]
    public void A_tensor_whose_attribute_contains_itself_is_read()
    {
        string tensor = Pickles.Call("torch._tensor _rebuild_from_type_v2", Pickles.Global("torch._utils _rebuild_tensor_v2"), Pickles.Global("torch Tensor"),
            Pickles.Tuple(Pickles.Storage(), Pickles.Int(0), Pickles.Ints(4), Pickles.Ints(1), "\u0089", Pickles.Call("collections OrderedDict")), "}q\u0005" + Pickles.Text("me") + "h\u0005s");
        (StateMap state, _) = Beside(tensor, noted: false);
        ((StateTensor)state["extra"]).Shape.ShouldBe([4]);
    }

    [Fact]
    public void A_file_of_nothing_else_is_refused_as_one_that_is_whole()
    {
        var fault = Should.Throw<CorruptTorchFileException>(() => Load("]q\u0005h\u0005a"));
        fault.Fault.ShouldBe(TorchFault.Cycle);
        fault.IsUnsupported.ShouldBeTrue();
        fault.Message.ShouldContain("cannot be read: a value contains itself");
        fault.Message.ShouldContain("no damage");
        fault.Message.ShouldNotContain("Restore");
    }

    [Fact]
    public void A_reader_that_was_not_told_to_be_lenient_refuses_the_file() =>
        Should.Throw<CorruptTorchFileException>(() => Pickles.Open(Map(("model", Map((Weight, Tensor()))), ("extra", "]q\u0005h\u0005a")) + ".")).Fault.ShouldBe(TorchFault.Cycle);

    [Fact]
    public void What_was_taken_out_is_not_written()
    {
        using TorchFile file = Pickles.Open(Map(("model", Map((Weight, Tensor()))), ("extra", "]q\u0005(K\u0001h\u0005e")) + ".", new TorchReadOptions { AllowOpaque = true });
        Should.Throw<ArgumentException>(() => TorchFileWriter.Plan(file.Root, "f")).Message.ShouldContain("contains itself");
    }

    private static string NamesBeside(string value)
    {
        (_, string note) = Beside(value);
        return note[(note.IndexOf("are read: ", StringComparison.Ordinal) + "are read: ".Length)..];
    }

    private static (StateMap State, string Note) Beside(string value, bool noted = true)
    {
        using LoadedTorchState state = Load(Map(("extra", value), ("model", Map((Weight, Tensor()))), ("epoch", Pickles.Int(4))));
        ((StateTensor)state.Load("model")[Weight]).Bytes().ShouldBe(Pickles.Floats(4));
        StateMap context = state.Load("context");
        ((StateScalar)context["epoch"]).Value.ShouldBe(4L);
        StateLeaves.Of(context).Count().ShouldBeLessThan(10_000);
        return (context, noted ? state.Notes.ShouldHaveSingleItem() : "");
    }

    private static LoadedTorchState Load(string pickle)
    {
        var files = new FilesInMemory();
        files.Files["f.pt"] = Pickles.Archive(Pickles.Raw(pickle + "."), ("0", Pickles.Floats(4)));
        return LoadedTorchState.OpenFile(files, "f.pt");
    }

    private static string Tensor() => Pickles.Tensor(Pickles.Storage(), 0, [4], [1]);

    private static string Map(params (string Key, string Value)[] entries) => "}(" + string.Concat(entries.Select(entry => Pickles.Text(entry.Key) + entry.Value)) + "u";
}
