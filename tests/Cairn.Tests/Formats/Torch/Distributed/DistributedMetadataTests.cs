using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch.Distributed;

public class DistributedMetadataTests
{
    private const string Module = "torch.distributed.checkpoint.metadata";

    private static TorchObject Made(string name, TorchValue? state) => new(new TorchGlobal(Module, name), new TorchList(TorchListKind.Tuple)) { State = state };

    private static TorchList Sizes(params long[] sizes) => new(TorchListKind.Size, sizes.Select(size => (TorchValue)size));

    private static TorchMap Map(params (TorchValue Key, TorchValue Value)[] entries)
    {
        var map = new TorchMap();
        foreach ((TorchValue key, TorchValue value) in entries)
            map.Add(key, value);
        return map;
    }

    private static (TorchValue, TorchValue) Stored(string name, TorchList? offset, TorchValue file, TorchValue length, TorchValue? transforms = null) => (
        Made("MetadataIndex", Map(("fqn", name), ("offset", offset is null ? TorchScalar.None : offset), ("index", 0L))),
        Made("_StorageInfo", Map(("relative_path", file), ("offset", 0L), ("length", length), ("transform_descriptors", transforms ?? TorchScalar.None))));

    private static TorchObject Tensor(TorchGlobal dtype, TorchList size, params (TorchList Offset, TorchList Size)[] chunks) => Made("TensorStorageMetadata", Map(
        ("properties", Made("TensorProperties", new TorchList(TorchListKind.Tuple, [dtype, TorchScalar.None, false, TorchScalar.None, false]))),
        ("size", size),
        ("chunks", new TorchList(TorchListKind.List, chunks.Select(chunk => Made("ChunkStorageMetadata", Map(("offsets", chunk.Offset), ("sizes", chunk.Size))))))));

    private static readonly TorchGlobal Float = new("torch", "float32");

    private static TorchObject Metadata(TorchMap items, TorchValue planner, params (TorchValue, TorchValue)[] stored) =>
        Made("Metadata", Map(("state_dict_metadata", items), ("planner_data", planner), ("storage_data", Map(stored))));

    private static IReadOnlyList<DistributedItem> Read(TorchValue metadata) => DistributedMetadataReader.Read(metadata, ".metadata");

    private static DistributedFault Fault(TorchValue metadata) => Should.Throw<CorruptDistributedCheckpointException>(() => Read(metadata)).Fault;

    [Fact]
    public void Tensors_and_values_come_with_their_places_and_paths()
    {
        IReadOnlyList<DistributedItem> items = Read(Metadata(
            Map(("a.0", Tensor(Float, Sizes(3, 2), (Sizes(0, 0), Sizes(2, 2)), (Sizes(2, 0), Sizes(1, 2)))), ("n", Made("BytesStorageMetadata", null))),
            Map(("a.0", new TorchList(TorchListKind.Tuple, ["a", 0L]))),
            Stored("a.0", Sizes(0, 0), "__0_0.distcp", 100L), Stored("a.0", Sizes(2, 0), "__1_0.distcp", 50L), Stored("n", null, "__0_0.distcp", 7L)));
        var tensor = (DistributedTensor)items[0];
        (tensor.Type, string.Join(',', tensor.Shape), string.Join('/', tensor.Path)).ShouldBe((TensorType.F32, "3,2", "a/0"));
        tensor.Path[1].ShouldBe(0L);
        tensor.Chunks.Select(chunk => chunk.Place.File).ShouldBe(["__0_0.distcp", "__1_0.distcp"]);
        items[1].Path.ShouldBe(["n"]);
        ((DistributedValue)items[1]).Place.Length.ShouldBe(7);
    }

    [Fact]
    public void What_is_missing_or_malformed_is_told()
    {
        TorchMap one = Map(("w", Tensor(Float, Sizes(2), (Sizes(0), Sizes(2)))));
        (TorchValue, TorchValue) good = Stored("w", Sizes(0), "f", 8L);
        Fault("text").ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Made("Metadata", Map(("state_dict_metadata", one)))).ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Metadata(one, TorchScalar.None)).ShouldBe(DistributedFault.NoStorage);
        Fault(Metadata(one, TorchScalar.None, Stored("w", Sizes(1), "f", 8L))).ShouldBe(DistributedFault.NoStorage);
        Fault(Metadata(one, TorchScalar.None, good, Stored("w", Sizes(0), "g", 8L))).ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Metadata(one, TorchScalar.None, Stored("w", Sizes(0), "f", -1L))).ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Metadata(one, TorchScalar.None, Stored("w", Sizes(0), 5L, 8L))).ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Metadata(Map(("w", Tensor(new TorchGlobal("torch", "strided"), Sizes(2), (Sizes(0), Sizes(2))))), TorchScalar.None, good)).ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Metadata(Map(("w", Tensor(Float, Sizes(-2), (Sizes(0), Sizes(2))))), TorchScalar.None, good)).ShouldBe(DistributedFault.MetadataMalformed);
        TorchObject called = new(new TorchGlobal(Module, "TensorProperties"), new TorchList(TorchListKind.Tuple));
        Fault(Metadata(Map(("w", Made("TensorStorageMetadata", Map(("properties", called), ("size", Sizes(2)), ("chunks", new TorchList(TorchListKind.List)))))), TorchScalar.None, good)).ShouldBe(DistributedFault.MetadataMalformed);
        long[] ones = [.. Enumerable.Repeat(1L, 65)];
        Fault(Metadata(Map(("w", Tensor(Float, Sizes(ones), (Sizes(new long[65]), Sizes(ones))))), TorchScalar.None, Stored("w", Sizes(new long[65]), "f", 4L))).ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Metadata(one, Map(("w", new TorchList(TorchListKind.Tuple))), good)).ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Metadata(one, Map(("w", new TorchList(TorchListKind.Tuple, [1.5]))), good)).ShouldBe(DistributedFault.MetadataMalformed);
        Fault(Metadata(one, TorchScalar.None, Stored("w", Sizes(0), "f", 8L, new TorchList(TorchListKind.List, ["zstd"])))).ShouldBe(DistributedFault.UnsupportedTransform);
    }

    [Theory, InlineData("../f"), InlineData("/etc/passwd"), InlineData(".."), InlineData(""), InlineData("a/b"), InlineData("a\0b")]
    public void A_file_outside_the_folder_is_refused(string file) =>
        Fault(Metadata(Map(("w", Tensor(Float, Sizes(2), (Sizes(0), Sizes(2))))), TorchScalar.None, Stored("w", Sizes(0), file, 8L))).ShouldBe(DistributedFault.UnsafePath);

    [Fact]
    public void Chunks_that_do_not_make_up_their_tensor_are_told_on_merging()
    {
        DistributedFault Merge(long size, params (long Offset, long Size)[] chunks)
        {
            var tensor = new DistributedTensor("w", ["w"], TensorType.F32, [size], [.. chunks.Select(chunk => new DistributedChunk([chunk.Offset], [chunk.Size], new DistributedPlace("f", 0, 1000)))]);
            return Should.Throw<CorruptDistributedCheckpointException>(() => DistributedCheckpoint.Merge(null!, tensor, ".metadata")).Fault;
        }
        Merge(4, (0, 2), (1, 3)).ShouldBe(DistributedFault.ChunkCover);
        Merge(4, (0, 2), (3, 1)).ShouldBe(DistributedFault.ChunkCover);
        Merge(4, (0, 4), (0, 4)).ShouldBe(DistributedFault.ChunkCover);
        Merge(4, (2, 4)).ShouldBe(DistributedFault.ChunkCover);
        Merge(4).ShouldBe(DistributedFault.ChunkCover);
        Merge(4, (long.MaxValue, 2)).ShouldBe(DistributedFault.ChunkCover);
        Merge(400, (0, 400)).ShouldBe(DistributedFault.OutOfFile);
        Merge(long.MaxValue, (0, long.MaxValue)).ShouldBe(DistributedFault.ChunkCover);
    }

    [Fact]
    public void Numbers_from_0_on_are_a_list_and_others_a_map()
    {
        var tree = new PathTree("m");
        void Add(params object[] path) => tree.Add(new DistributedValue(string.Join('.', path), path, new DistributedPlace("f", 0, 0)), string.Join('.', path));
        Add("l", 1L);
        Add("l", 0L);
        Add("m", 2L, "x");
        Add("a");
        StateMap state = tree.ToState();
        ((StateList)state["l"]).Select(item => ((StateScalar)item).Value).ShouldBe(["l.0", "l.1"]);
        ((StateScalar)((StateMap)((StateMap)state["m"])["2"])["x"]).Value.ShouldBe("m.2.x");
        foreach (object[] path in new object[][] { ["a"], ["a", "b"], ["l"] })
            Should.Throw<CorruptDistributedCheckpointException>(() => Add(path)).Fault.ShouldBe(DistributedFault.NameConflict);
        Should.Throw<CorruptDistributedCheckpointException>(() => Add([.. Enumerable.Repeat<object>("x", 65)])).Fault.ShouldBe(DistributedFault.MetadataMalformed);
    }
}
