using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch;

/// <summary>What is plain is read, and what is not is named, wherever it stands.</summary>
public class OpaqueValuesTests
{
    private const string Weight = "w", True = "\u0088", False = "\u0089", None = "N";

    [Fact]
    public void Weights_are_read_beside_objects_of_any_class_at_any_depth()
    {
        string loss = New("my Loss", Map(("reduction", Pickles.Text("mean")), ("inner", Pickles.Call("my Scale", Pickles.Int(3)))));
        using LoadedTorchState state = Load(Map(("state_dict", Map((Weight, Tensor()))), ("epoch", Pickles.Int(4)), ("hyper_parameters", Map(("loss", loss), ("fn", Pickles.Global("my relu"))))));
        state.Parts.ShouldBe(["model", "context"]);
        ((StateTensor)state.Load("model")[Weight]).Shape.ShouldBe([4]);
        Text(state.Load("context"), "hyper_parameters", "loss", "class").ShouldBe("my.Loss");
        Text(state.Load("context"), "hyper_parameters", "loss", "state", "reduction").ShouldBe("mean");
        Text(state.Load("context"), "hyper_parameters", "loss", "state", "inner", "class").ShouldBe("my.Scale");
        Text(state.Load("context"), "hyper_parameters", "fn").ShouldBe("my.relu");
        // What stands in a named object is not named again.
        string note = state.Notes.ShouldHaveSingleItem();
        note.ShouldContain("hyper_parameters/loss (an object of my.Loss)");
        note.ShouldContain("hyper_parameters/fn (the class or function my.relu)");
        note.ShouldNotContain("Scale");
    }

    [Fact]
    public void A_file_of_plain_values_has_no_note()
    {
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor())))));
        state.Notes.ShouldBeEmpty();
    }

    [Fact]
    public void A_number_that_a_state_cannot_hold_is_kept_as_text_and_named()
    {
        // LONG1 of nine bytes, little-endian: 2 to the 64.
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor()))), ("state", "\u008a\t\0\0\0\0\0\0\0\0\u0001")));
        Text(state.Load("context"), "state").ShouldBe("18446744073709551616");
        state.Notes.ShouldHaveSingleItem().ShouldContain("state (a whole number beyond 64 bits, kept as text)");
    }

    [Fact]
    public void A_whole_module_is_its_tensors_by_the_names_of_its_state_dict()
    {
        string layer = Module([("weight", Tensor()), ("bias", None)], [], []);
        string root = Module([("scale", Tensor())], [("mean", Tensor()), ("mask", Tensor())], [("first", layer), ("gone", None)],
            ("_non_persistent_buffers_set", Pickles.Call("builtins set", "]" + Pickles.Text("mask") + "a")));
        using LoadedTorchState alone = Load(root);
        alone.Load("model").Keys.ShouldBe(["scale", "mean", "first.weight"]);
        alone.Notes.ShouldHaveSingleItem().ShouldContain("the root (a module of my.Module, of which only the tensors are read)");
        using LoadedTorchState beside = Load(Map(("model", root), ("epoch", Pickles.Int(1))));
        beside.Load("model").Keys.ShouldBe(["scale", "mean", "first.weight"]);
    }

    [Fact]
    public void What_a_module_holds_that_is_no_tensor_makes_it_opaque_and_loses_nothing()
    {
        using LoadedTorchState state = Load(Map(("model", Module([("weight", Pickles.Int(1))], [], [])), ("epoch", Pickles.Int(1))));
        Text(state.Load("model"), "class").ShouldBe("my.Module");
        ((StateMap)state.Load("model")["state"]).ContainsKey("_parameters").ShouldBeTrue();
    }

    [Fact]
    public void Objects_that_know_each_other_end_where_they_come_again()
    {
        // A child that knows its parent: the parent is memo 1.
        string child = Pickles.Global("my Child") + ")\u0081" + "}" + Pickles.Text("parent") + "h\u0001" + "s" + "b";
        string parent = Pickles.Global("my Parent") + ")\u0081q\u0001" + "}" + Pickles.Text("child") + child + "s" + "b";
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor()))), ("trainer", parent)));
        StateMap again = Inner(state.Load("context"), "trainer", "state", "child", "state", "parent");
        again.Keys.ShouldBe(["class"]);
        Text(again, "class").ShouldBe("my.Parent");
    }

    [Fact]
    public void Keys_that_are_no_text_stand_with_their_kind()
    {
        string map = "}" + True + "K\u0001s" + None + "K\u0002s" + Pickles.Global("my Callback") + "K\u0003s" + "K\u0001" + "K\u0004s" + Pickles.Text("1") + "K\u0005s" + Pickles.Tuple("K\u0001") + "K\u0006s" + Pickles.Tuple("K\u0001") + "K\u0007s";
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor()))), ("t", map)));
        Inner(state.Load("context"), "t").Keys.ShouldBe(["bool True", "None", "class my.Callback", "int 1", "1", "tuple (1)", "tuple (1) (2)"]);
    }

    [Theory]
    [InlineData("pathlib PosixPath", "/|a|b", "/a/b")]
    [InlineData("pathlib PureWindowsPath", "c:\\|a", "c:\\a")]
    [InlineData("pathlib PosixPath", "", ".")]
    [InlineData("decimal Decimal", "1.50", "1.50")]
    [InlineData("fractions Fraction", "1/3", "1/3")]
    [InlineData("torch.torch_version TorchVersion", "2.6.0", "2.6.0")]
    public void Values_with_a_text_are_that_text(string type, string arguments, string text) =>
        Plain(Pickles.Call(type, [.. arguments.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(Pickles.Text)])).ShouldBe(text);

    [Fact]
    public void Times_are_as_isoformat_gives_them()
    {
        string hour = Pickles.Call("datetime timezone", Pickles.Call("datetime timedelta", Pickles.Int(-1), Pickles.Int(82800), Pickles.Int(0)));
        Plain(Pickles.Call("datetime date", Pickles.Bytes([7, 234, 1, 2]))).ShouldBe("2026-01-02");
        Plain(Pickles.Call("datetime time", Pickles.Bytes([23, 59, 58, 0, 0, 0]))).ShouldBe("23:59:58");
        Plain(Pickles.Call("datetime datetime", Pickles.Bytes([7, 234, 129, 2, 3, 4, 5, 0, 0, 6]))).ShouldBe("2026-01-02T03:04:05.000006");
        Plain(Pickles.Call("datetime datetime", Pickles.Bytes([7, 234, 1, 2, 3, 4, 5, 0, 0, 0]), hour)).ShouldBe("2026-01-02T03:04:05-01:00");
        Plain(Pickles.Call("datetime timedelta", Pickles.Int(1), Pickles.Int(1), Pickles.Int(500000))).ShouldBe(86401.5);
        Plain(New("uuid UUID", Map(("int", Pickles.Int(255))))).ShouldBe("00000000-0000-0000-0000-0000000000ff");
    }

    [Fact]
    public void Containers_of_pythons_own_are_their_contents()
    {
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor()))), ("args", New("argparse Namespace", Map(("lr", Pickles.Int(1))))),
            ("queue", Pickles.Call("collections deque", "]" + "K\u0001a" + "K\u0002a", "K\u0009")), ("range", Pickles.Call("builtins range", "K\u0000", "K\u0004", "K\u0002")),
            ("file", Pickles.Global("_io BytesIO") + ")\u0081" + Pickles.Tuple(Pickles.Bytes([1, 2]), "K\u0002", None) + "b")));
        StateMap context = state.Load("context");
        Inner(context, "args").Keys.ShouldBe(["lr"]);
        ((StateList)context["queue"]).Count.ShouldBe(2);
        Inner(context, "range").Keys.ShouldBe(["start", "stop", "step"]);
        ((StateTensor)context["file"]).Bytes().ShouldBe([1, 2]);
        state.Notes.ShouldBeEmpty();
    }

    [Fact]
    public void Arrays_that_are_not_numbers_are_their_contents()
    {
        string dtype = Pickles.Call("numpy dtype", Pickles.Text("O8"), False, True);
        string array = Pickles.Call("numpy.core.multiarray _reconstruct", Pickles.Global("numpy ndarray"), Pickles.Ints(0), Pickles.Bytes("b"u8)) + Pickles.Tuple("K\u0001", Pickles.Ints(1), dtype, False, "]" + Pickles.Text("cat") + "a") + "b";
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor()))), ("names", array)));
        Text(state.Load("context"), "names", "class").ShouldBe("numpy.ndarray");
        state.Notes.ShouldHaveSingleItem().ShouldContain("names (an object of numpy.ndarray)");
    }

    [Fact]
    public void Names_of_modules_that_are_shared_stay_in_proportion_to_the_file()
    {
        // One long name at every level, and a wide module at the end: some 8 MB of names for each of 400 tensors.
        string longName = Pickles.Text(new string('n', 200_000)) + "q\u0005";
        string module = Module([.. Enumerable.Range(0, 400).Select(i => ($"t{i}", Tensor()))], [], []);
        for (int i = 0; i < 40; i++)
            module = Pickles.Global("my Module") + ")\u0081}(" + Pickles.Text("_parameters") + "}" + Pickles.Text("_buffers") + "}" + Pickles.Text("_modules") + "}" + (i == 39 ? longName : "h\u0005") + module + "su" + "b";
        // The name is remembered before it is used: it stands in the outermost module.
        long before = GC.GetAllocatedBytesForCurrentThread();
        using LoadedTorchState state = Load(module);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(200 << 20);
        Text(state.Load("model"), "class").ShouldBe("my.Module");
    }

    [Fact]
    public void A_module_whose_weights_are_packed_is_not_read_in_part()
    {
        string packed = New("torch.nn.quantized.modules.linear Linear", Map(("scale", Pickles.Ints(1)), ("_parameters", "}"), ("_modules", "}"), ("_packed_params", Tensor())));
        using LoadedTorchState state = Load(Module([(Weight, Tensor())], [], [("1", packed)]));
        Text(state.Load("model"), "class").ShouldBe("my.Module");
        Inner(state.Load("model"), "state", "_modules", "1", "state").ContainsKey("_packed_params").ShouldBeTrue();
    }

    [Fact]
    public void Objects_that_are_linked_deeper_than_a_state_may_be_are_cut_and_the_rest_is_read()
    {
        string chain = Pickles.Ints(1);
        for (int i = 0; i < 250; i++)
            chain = New("my Node", Map(("next", chain)));
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor()))), ("chain", chain)));
        state.Load("model").Keys.ShouldBe([Weight]);
        state.Notes.ShouldHaveSingleItem().ShouldContain("chain (an object of my.Node)");
    }

    [Fact]
    public void A_text_keeps_its_name_beside_a_number_that_reads_the_same()
    {
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor()))), ("it", "}(K\u0001" + Pickles.Text("number") + Pickles.Text("1") + Pickles.Text("text") + "u")));
        Text(state.Load("context"), "it", "1").ShouldBe("text");
        Text(state.Load("context"), "it", "int 1").ShouldBe("number");
    }

    [Fact]
    public void An_object_takes_little_memory()
    {
        const int Objects = 100_000;
        // As Python pickles objects of a class with two attributes: names are remembered.
        string made = "h\u0001)\u0081}(h\u0002K\u0001h\u0003Nub", list = Pickles.Global("my Callback") + "q\u00010" + Pickles.Text("index") + "q\u00020" + Pickles.Text("name") + "q\u00030](" + string.Concat(Enumerable.Repeat(made, Objects)) + "e";
        var files = new FilesInMemory();
        files.Files["f.pt"] = Pickles.Archive(Pickles.Raw(list + "."));
        long before = GC.GetAllocatedBytesForCurrentThread();
        using LoadedTorchState state = LoadedTorchState.OpenFile(files, "f.pt");
        ((GC.GetAllocatedBytesForCurrentThread() - before) / Objects).ShouldBeLessThan(1400);
        ((StateList)state.Load("model")["data"]).Count.ShouldBe(Objects);
    }

    [Fact]
    public void Only_so_many_places_are_named()
    {
        string list = "](" + string.Concat(Enumerable.Repeat(Pickles.Global("my thing"), 5000)) + "e";
        var unread = new List<UnreadValue>();
        _ = TorchTree.ToState(Pickles.Read(list + ".", new TorchReadOptions { AllowOpaque = true }), unread);
        unread.Count.ShouldBe(StateReader.MostNamed + 1);
        unread[^1].What.ShouldContain("not named");
    }

    [Theory, MemberData(nameof(Attacks))]
    public void A_hostile_file_is_refused_or_read_in_little_memory(string name)
    {
        byte[] bytes = File.ReadAllBytes(Path.Combine(AttackTests.Folder(), "torch", name));
        var files = new FilesInMemory();
        files.Files[name] = bytes;
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            LoadedTorchState.OpenFile(files, name).Dispose();
        }
        catch (CheckpointException e)
        {
            e.Message.Length.ShouldBeLessThan(2000);
        }
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan((bytes.Length * 128L) + (4 << 20));
        files.Open.ShouldBe(0);
        File.Exists("/tmp/cairn-attack").ShouldBeFalse("a hostile file was executed");
    }

    public static TheoryData<string> Attacks() => [.. Directory.GetFiles(Path.Combine(AttackTests.Folder(), "torch")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private static LoadedTorchState Load(string pickle)
    {
        var files = new FilesInMemory();
        files.Files["f.pt"] = Pickles.Archive(Pickles.Raw(pickle + "."), ("0", Pickles.Floats(4)));
        return LoadedTorchState.OpenFile(files, "f.pt");
    }

    private static object? Plain(string value)
    {
        using LoadedTorchState state = Load(Map(("model", Map((Weight, Tensor()))), ("it", value)));
        state.Notes.ShouldBeEmpty();
        return ((StateScalar)state.Load("context")["it"]).Value;
    }

    private static string Tensor() => Pickles.Tensor(Pickles.Storage(), 0, [4], [1]);

    private static string Map(params (string Key, string Value)[] entries) => "}(" + string.Concat(entries.Select(entry => Pickles.Text(entry.Key) + entry.Value)) + "u";

    private static string New(string type, string state) => Pickles.Global(type) + ")\u0081" + state + "b";

    private static string Module((string, string)[] parameters, (string, string)[] buffers, (string, string)[] modules, params (string, string)[] more) =>
        New("my Module", Map([("training", True), ("_parameters", Map(parameters)), ("_buffers", Map(buffers)), ("_modules", Map(modules)), .. more]));

    private static StateMap Inner(StateMap state, params string[] path) => path.Aggregate(state, (inner, key) => (StateMap)inner[key]);

    private static string? Text(StateMap state, params string[] path) => ((StateScalar)Inner(state, path[..^1])[path[^1]]).Value as string;
}
