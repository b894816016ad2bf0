using System.Numerics;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch;

public class TorchTreeTests
{
    [Fact]
    public void Values_become_state()
    {
        MemoryTensor tensor = TestTensors.Of(TensorType.F32, 2);
        var state = (StateMap)TorchTree.ToState(new TorchMap(TorchMapKind.OrderedDict)
        {
            Attributes = new TorchMap { ["_metadata"] = 1 },
            ["none"] = TorchScalar.None,
            ["flag"] = true,
            ["number"] = 3,
            ["large"] = new TorchScalar(BigInteger.Pow(2, 80)),
            ["float"] = 0.5,
            ["text"] = "x",
            ["complex"] = new TorchScalar(new Complex(1, 2)),
            ["bytes"] = new TorchScalar([1, 2, 3]),
            ["dtype"] = new TorchGlobal("torch", "float32"),
            ["cpu"] = Device("cpu"),
            ["gpu"] = Device("cuda", 1L),
            ["size"] = new TorchList(TorchListKind.Size, [4L]),
            ["weight"] = new TorchTensorValue(tensor, isParameter: true),
            [7] = new TorchMap { [-1] = "seven" },
        });
        state.Keys.ShouldBe(["none", "flag", "number", "large", "float", "text", "complex", "bytes", "dtype", "cpu", "gpu", "size", "weight", "7"]);
        Scalar("none").ShouldBeNull();
        Scalar("flag").ShouldBe(true);
        Scalar("number").ShouldBe(3L);
        Scalar("large").ShouldBe("1208925819614629174706176");
        Scalar("float").ShouldBe(0.5);
        Scalar("text").ShouldBe("x");
        Scalar("dtype").ShouldBe("torch.float32");
        Scalar("cpu").ShouldBe("cpu");
        Scalar("gpu").ShouldBe("cuda:1");
        ((StateScalar)((StateMap)state["complex"])["imag"]).Value.ShouldBe(2.0);
        ((StateTensor)state["bytes"]).Bytes().ShouldBe([1, 2, 3]);
        ((StateScalar)((StateList)state["size"])[0]).Value.ShouldBe(4L);
        state["weight"].ShouldBeSameAs(tensor);
        ((StateScalar)((StateMap)state["7"])["-1"]).Value.ShouldBe("seven");

        object? Scalar(string name) => ((StateScalar)state[name]).Value;
        static TorchObject Device(params TorchValue[] arguments) => new(new TorchGlobal("torch", "device"), new TorchList(TorchListKind.Tuple, arguments.AsEnumerable()));
    }

    [Fact]
    public void Milestones_of_a_scheduler_stay_numbers()
    {
        TorchMap saved = new() { ["scheduler"] = new TorchMap { ["milestones"] = new TorchMap(TorchMapKind.Counter) { [5] = 1, [12] = 2 }, ["named"] = new TorchMap { ["5"] = 1 } } };
        TorchMap again = TorchTree.FromState(TorchTree.ToState(saved)).ShouldBeOfType<TorchMap>()["scheduler"].ShouldBeOfType<TorchMap>();
        again["milestones"].ShouldBeOfType<TorchMap>().Select(entry => entry.Key).ShouldBe([new TorchScalar(5), new TorchScalar(12)]);
        again["named"].ShouldBeOfType<TorchMap>().Single().Key.ShouldBe(new TorchScalar("5"));
        TorchTree.FromState(new StateMap { ["milestones"] = new StateMap { ["first"] = 1L } }).ShouldBeOfType<TorchMap>()["milestones"].ShouldBeOfType<TorchMap>().Single().Key.ShouldBe(new TorchScalar("first"));
    }

    [Fact]
    public void Parameters_of_an_optimizer_stay_numbers()
    {
        var saved = new TorchMap
        {
            ["state"] = new TorchMap { [0] = new TorchMap { ["step"] = 7 }, [12] = new TorchMap { ["step"] = 8 } },
            ["param_groups"] = new TorchList(TorchListKind.List, [new TorchMap { ["params"] = new TorchList(TorchListKind.List, [0, 12]) }]),
        };
        var back = (TorchMap)((TorchMap)TorchTree.FromState(new StateMap { { "optimizers", TorchTree.ToState(saved) } }))["optimizers"];
        ((TorchMap)back["state"]).Select(entry => entry.Key).ShouldBe([new TorchScalar(0L), new TorchScalar(12L)]);
        ((TorchMap)((TorchMap)back["state"])[12])["step"].ShouldBe(new TorchScalar(8L));
        // A layer of that name, and an optimizer whose parameters have names.
        ((TorchMap)((TorchMap)TorchTree.FromState(new StateMap { { "state", new StateMap { { "0", 1 } } } }))["state"])["0"].ShouldBe(new TorchScalar(1L));
        ((TorchMap)saved["param_groups"].ShouldBeOfType<TorchList>()[0])["params"] = new TorchList(TorchListKind.List, ["w"]);
        ((TorchMap)((TorchMap)TorchTree.FromState(TorchTree.ToState(saved)))["state"])["12"].ShouldNotBeNull();
    }

    [Fact]
    public void State_becomes_values_and_ties_stay_ties()
    {
        MemoryTensor tied = TestTensors.Of(TensorType.F32, 2);
        StateList shared = new([1, 2.5]);
        var map = (TorchMap)TorchTree.FromState(new StateMap { { "a", tied }, { "b", new StateMap { { "c", tied } } }, { "shared", shared }, { "again", shared }, { "none", StateScalar.Null } });
        map.Kind.ShouldBe(TorchMapKind.Dict);
        ((TorchTensorValue)map["a"]).Storage.ShouldBeSameAs(((TorchTensorValue)((TorchMap)map["b"])["c"]).Storage);
        map["shared"].ShouldBeSameAs(map["again"]);
        map["none"].ShouldBe(TorchScalar.None);
        ((TorchList)map["shared"])[1].ShouldBe(new TorchScalar(2.5));
    }

    [Fact]
    public void There_and_back_is_the_same_state()
    {
        MemoryTensor tied = TestTensors.Of(TensorType.BF16, 2, 3);
        var state = new StateMap { { "a", tied }, { "list", new StateList([true, -1, "text", StateScalar.Null]) }, { "tie", tied }, { "empty", new StateMap() } };
        var back = (StateMap)TorchTree.ToState(TorchTree.FromState(state));
        StateDigest.Of([new Part(back)]).ShouldBe(StateDigest.Of([new Part(state)]));
        back["a"].ShouldBeSameAs(back["tie"]);
    }

    [Fact]
    public void Values_that_stand_at_many_places_are_walked_once()
    {
        TorchValue value = new TorchList(TorchListKind.List, [1L]);
        for (int i = 0; i < 100; i++)
            value = new TorchList(TorchListKind.List, [value, value]);
        var state = (StateList)TorchTree.ToState(value);
        state[0].ShouldBeSameAs(state[1]);
        var back = (TorchList)TorchTree.FromState(state);
        back[0].ShouldBeSameAs(back[1]);
    }

    [Fact]
    public void What_a_state_cannot_hold_is_named_with_its_path()
    {
        Refused(new TorchGlobal("os", "system")).ShouldContain("os.system");
        Refused(new TorchObject(new TorchGlobal("my", "Config"), new TorchList(TorchListKind.Tuple), isOpaque: true)).ShouldContain("my.Config");
        Refused(new TorchMap { [new TorchList(TorchListKind.Tuple)] = 1 }, "outer/1/").ShouldContain("neither text nor a whole number");
        Refused(new TorchMap { [new TorchList(TorchListKind.Tuple, [1, "x"])] = 1 }, "outer/1/(1, x)").ShouldContain("(1, x)");
        Refused(new TorchMap { [1] = 1, ["1"] = 2 }, "outer/1/1").ShouldContain("a second time");
        var cycle = new TorchList(TorchListKind.List);
        cycle.Add(cycle);
        Refused(cycle, "outer/1/0").ShouldContain("contains itself");

        static string Refused(TorchValue value, string path = "outer/1")
        {
            string message = Should.Throw<CheckpointException>(() => TorchTree.ToState(new TorchMap { ["outer"] = new TorchList(TorchListKind.List, [0L, value]) })).Message;
            message.ShouldContain($"'{path}");
            return message;
        }
    }

    [Fact]
    public void Tensors_without_dense_elements_are_named()
    {
        const string Rebuild = "torch._utils ";
        string sparse = Pickles.Call(Rebuild + "_rebuild_sparse_tensor", Pickles.Global("torch sparse_coo"), Pickles.Tuple());
        string meta = Pickles.Call(Rebuild + "_rebuild_meta_tensor_no_storage", Pickles.Global("torch float32"), Pickles.Ints(2), Pickles.Ints(1), "\u0089");
        Refused(sparse).ShouldContain("a sparse tensor");
        Refused(Pickles.Call(Rebuild + "_rebuild_parameter", meta, "\u0088", "N")).ShouldContain("a tensor of the device meta");

        static string Refused(string value)
        {
            using TorchFile file = Pickles.Open("}" + Pickles.Text("w") + value + "s.", null);
            CheckpointException refused = Should.Throw<CheckpointException>(() => TorchTree.ToState(file.Root));
            refused.Message.ShouldStartWith("At 'w' stands");
            return refused.Message;
        }
    }

    private sealed class Part(StateMap state) : IStatePart
    {
        public string Name => "part";
        public StateMap Capture() => state;
        public void Check(StateMap saved, RestoreProblems problems) => throw new NotSupportedException();
        public void Restore(StateMap saved) => throw new NotSupportedException();
    }
}
