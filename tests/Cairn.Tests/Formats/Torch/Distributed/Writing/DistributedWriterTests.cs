using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.Formats.Torch.Distributed.Writing;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Tests.Formats.Torch.Distributed.Writing;

public sealed class DistributedWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static readonly MemoryTensor Matrix = TestTensors.Of(TensorType.F32, 5, 3), Half = TestTensors.Of(TensorType.BF16, 7), Tall = TestTensors.Of(TensorType.I64, 2, 1, 3);

    private static TorchMap State() => new()
    {
        ["model"] = new TorchMap { ["a.weight"] = new TorchTensorValue(Matrix), ["a.bias"] = new TorchTensorValue(Half), ["tied.weight"] = new TorchTensorValue(Matrix), ["none"] = new TorchTensorValue(TestTensors.Of(TensorType.F16, 0, 4)) },
        ["optimizer"] = new TorchMap
        {
            ["state"] = new TorchMap { [0L] = new TorchMap { ["step"] = new TorchTensorValue(TestTensors.Of(TensorType.F32)), ["exp_avg"] = new TorchTensorValue(Tall) } },
            ["param_groups"] = new TorchList(TorchListKind.List, [new TorchMap { ["lr"] = 0.5, ["betas"] = new TorchList(TorchListKind.Tuple, [0.9, 0.95]), ["params"] = new TorchList(TorchListKind.List, [0L]) }]),
        },
        ["epoch"] = 3L,
    };

    private DistributedWriter Write(TorchMap state, int ranks)
    {
        var writer = DistributedWriter.Plan(StateDictFlattening.Of(state).Values, ranks);
        foreach (DistcpFile file in writer.Files)
        {
            byte[] bytes = TestTensors.Written(file.WriteTo);
            bytes.LongLength.ShouldBe(file.Length);
            foreach ((string name, StateTensor tensor, long offset) in file.Tensors)
                bytes.AsSpan((int)offset, (int)tensor.ByteLength).SequenceEqual(tensor.Bytes()).ShouldBeTrue(name);
            File.WriteAllBytes(_folder[file.Name], bytes);
        }
        File.WriteAllBytes(_folder[".metadata"], writer.Metadata.ToArray());
        return writer;
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(64)]
    public void What_any_number_of_ranks_wrote_is_read_back_equal(int ranks)
    {
        Write(State(), ranks).Files.Count.ShouldBe(Math.Min(ranks, 7));
        using var checkpoint = DistributedCheckpoint.Open(new LocalFileSystem(_folder.Path), "");
        checkpoint.Verify(TestContext.Current.CancellationToken).ShouldBeTrue();
        StateMap state = checkpoint.Load(), model = (StateMap)state["model"];
        var weight = (StateTensor)model["a.weight"];
        (weight.Type, weight.Bytes().SequenceEqual(Matrix.Bytes())).ShouldBe((TensorType.F32, true));
        model["tied.weight"].ShouldBeSameAs(weight);
        ((StateTensor)model["a.bias"]).Bytes().ShouldBe(Half.Bytes());
        ((StateTensor)model["none"]).Shape.ShouldBe([0, 4]);
        var first = (StateMap)((StateMap)((StateMap)state["optimizer"])["state"])["0"];
        ((StateTensor)first["exp_avg"]).Bytes().ShouldBe(Tall.Bytes());
        ((StateTensor)first["step"]).Shape.ShouldBeEmpty();
        ((StateScalar)state["epoch"]).Value.ShouldBe(3L);
        checkpoint.Unread.ShouldBeEmpty();
    }

    [Fact]
    public void Values_are_the_first_ranks_and_a_tie_lies_there_once()
    {
        DistributedWriter writer = Write(State(), 3);
        writer.Items.OfType<DistributedValue>().Select(value => value.Place.File).Distinct(StringComparer.Ordinal).ShouldBe(["__0_0.distcp"]);
        DistributedTensor[] tied = [.. writer.Items.OfType<DistributedTensor>().Where(tensor => tensor.Name.EndsWith("weight", StringComparison.Ordinal))];
        tied[0].Chunks.Select(chunk => chunk.Place).ShouldBe(tied[1].Chunks.Select(chunk => chunk.Place));
        tied[0].Chunks.Select(chunk => $"{string.Join(',', chunk.Offsets)} {string.Join(',', chunk.Sizes)} {chunk.Place.File}").ShouldBe(["0,0 2,3 __0_0.distcp", "2,0 2,3 __1_0.distcp", "4,0 1,3 __2_0.distcp"]);
    }

    // The fields of torch/distributed/checkpoint/metadata.py and filesystem.py as they are since PyTorch 2.0.
    [Fact]
    public void The_metadata_is_objects_of_PyTorchs_classes_with_the_fields_of_all_versions()
    {
        DistributedWriter writer = Write(State(), 2);
        var classes = new HashSet<string>(StringComparer.Ordinal);
        TorchValue root;
        using (IReadableFile file = new LocalFileSystem(_folder.Path).OpenRead(".metadata"))
            root = TorchFile.ReadPickle(file, ".metadata");
        Walk(root);
        classes.Order(StringComparer.Ordinal).ShouldBe(
        [
            "BytesStorageMetadata()", "ChunkStorageMetadata(offsets,sizes)", "Metadata(state_dict_metadata,planner_data,storage_data)", "MetadataIndex(fqn,index)", "MetadataIndex(fqn,offset,index)",
            "TensorProperties[torch.bfloat16]", "TensorProperties[torch.float16]", "TensorProperties[torch.float32]", "TensorProperties[torch.int64]", "TensorStorageMetadata(properties,size,chunks)", "_StorageInfo(relative_path,offset,length)",
        ]);
        var fields = (TorchMap)((TorchObject)root).State!;
        var paths = (TorchMap)fields["planner_data"];
        ((TorchList)paths["optimizer.param_groups.0.lr"]).ShouldBe([new TorchScalar("optimizer"), new TorchScalar("param_groups"), new TorchScalar(0L), new TorchScalar("lr")]);
        // PyTorch's own planner makes a text of each key, and looks for it by that.
        ((TorchList)paths["optimizer.state.0.step"])[2].ShouldBe(new TorchScalar("0"));
        ((TorchMap)fields["storage_data"]).Count.ShouldBe(writer.Items.Sum(item => item is DistributedTensor tensor ? tensor.Chunks.Count : 1));

        void Walk(TorchValue value)
        {
            if (value is TorchObject made)
                classes.Add(made.State is TorchMap state ? $"{made.Type.Name}({string.Join(',', state.Select(field => field.Key))})" : made.Arguments.Count > 0 ? $"{made.Type.Name}[{made.Arguments[0]}]" : $"{made.Type.Name}()");
            for (int i = 0; i < value.ChildCount; i++)
                Walk(value.ChildAt(i));
        }
    }

    [Fact]
    public void More_entries_than_one_batch_of_a_pickle_are_all_there()
    {
        var model = new TorchMap();
        for (int i = 0; i < 2500; i++)
            model.Add($"w{i}", (long)i);
        Write(new TorchMap { ["model"] = model }, 1);
        using var checkpoint = DistributedCheckpoint.Open(new LocalFileSystem(_folder.Path), "");
        ((StateMap)checkpoint.Load()["model"]).Select(entry => ((StateScalar)entry.Value).Value).ShouldBe(Enumerable.Range(0, 2500).Select(i => (object)(long)i));
    }

    [Fact]
    public void The_numbers_of_an_optimizers_parameters_stay_numbers_on_the_way_to_PyTorch()
    {
        Write(State(), 2);
        using var checkpoint = DistributedCheckpoint.Open(new LocalFileSystem(_folder.Path), "");
        var optimizer = (TorchMap)TorchTree.FromState(checkpoint.Load()["optimizer"]);
        ((TorchMap)optimizer["state"]).Select(entry => entry.Key).ShouldBe([new TorchScalar(0L)]);
        ((TorchList)((TorchMap)((TorchList)optimizer["param_groups"])[0])["params"]).ShouldBe([new TorchScalar(0L)]);
    }

    [Fact]
    public void A_planner_that_kept_the_numbers_made_a_map_and_no_list_of_them()
    {
        var tree = new PathTree("m");
        tree.Add("a", ["optimizer", "state", 0L, "step"], 1L);
        tree.Add("b", ["optimizer", "state", 1L, "step"], 1L);
        tree.Add("c", ["optimizer", "param_groups", 0L, "lr"], 0.5);
        tree.Add("d", ["other", "state", 0L], 1L);
        StateMap state = tree.ToState(), optimizer = (StateMap)state["optimizer"];
        ((StateMap)optimizer["state"]).Keys.ShouldBe(["0", "1"]);
        optimizer["param_groups"].ShouldBeOfType<StateList>();
        ((StateMap)state["other"])["state"].ShouldBeOfType<StateList>();
    }

    [Fact]
    public void A_value_that_no_file_of_PyTorch_holds_is_refused_by_its_name()
    {
        TorchMap With(TorchValue value) => new() { ["part"] = new TorchMap { ["x"] = value } };
        Should.Throw<ArgumentException>(() => Write(With(new TorchTensorValue(new MemoryTensor(TensorType.F4, [4], new byte[2]))), 1)).Message.ShouldContain("'part.x'");
        Should.Throw<ArgumentException>(() => Write(With(new TorchGlobal("os", "system")), 1)).Message.ShouldContain("'part.x'");
        Should.Throw<ArgumentOutOfRangeException>(() => Write(State(), 0));
    }
}
