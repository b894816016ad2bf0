using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch.Distributed;
using Cairn.Layouts;
using Cairn.Layouts.PyTorch;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Tests.Formats.Torch.Distributed;

public sealed class SafetensorsShardsTests : IDisposable
{
    private const string First = "shard-00001-model-00001-of-00001.safetensors", Second = "shard-00002-model-00001-of-00001.safetensors", Third = "shard-00003-model-00001-of-00001.safetensors";

    private static readonly MemoryTensor Rows = TestTensors.Of(TensorType.F32, 4, 2), One = TestTensors.Of(TensorType.I32);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static StateMap Model() => new() { ["a"] = Rows, ["b"] = TestTensors.Of(TensorType.BF16, 5), ["tied"] = Rows, ["one"] = One };

    private LoadedCheckpoint Open() => CheckpointReader.Open(_folder.Path);

    private CorruptDistributedCheckpointException Refused(DistributedFault fault, string said)
    {
        CorruptDistributedCheckpointException refused = Should.Throw<CorruptDistributedCheckpointException>(() => Open().Dispose());
        (refused.Fault, refused.Message.Contains(said, StringComparison.Ordinal)).ShouldBe((fault, true), refused.Message);
        return refused;
    }

    // A file as HuggingFaceStorageWriter writes it: no number of files.
    private void Shard(string file, string? info, params (string Name, MemoryTensor Tensor)[] tensors)
    {
        Dictionary<string, string> metadata = new(StringComparer.Ordinal) { ["DCP_VERSION"] = "1.0", ["format"] = "pt" };
        if (info is not null)
            metadata["DCP_SHARDING_INFO"] = info;
        File.WriteAllBytes(_folder[file], TestTensors.Written(SafetensorsWriter.Plan(tensors.Select(tensor => KeyValuePair.Create<string, StateTensor>(tensor.Name, tensor.Tensor)), metadata).WriteTo));
    }

    private static MemoryTensor Part(int first, int rows, int columns = 2) => new(TensorType.F32, [rows, columns], Rows.Bytes().AsMemory(first * 8, rows * columns * 4));

    private static string Said(string name, params long[] offsets) => $$$"""{"{{{name}}}": {"saved_offsets": [{{{string.Join(", ", offsets)}}}]}}""";

    [Theory, InlineData(1, 1), InlineData(2, 2), InlineData(3, 3), InlineData(9, 5)]
    public void What_any_number_of_ranks_wrote_is_read_back_equal(int ranks, int written)
    {
        IReadOnlyList<PlannedFile> files = ShardsLayout.Plan(Model(), ranks);
        files.Select(file => file.Name).ShouldBe(Enumerable.Range(1, written).Select(rank => $"shard-{rank:00000}-model-00001-of-00001.safetensors"));
        foreach (PlannedFile file in files)
            File.WriteAllBytes(_folder[file.Name], TestTensors.Written(file.WriteTo));
        File.WriteAllText(_folder["config.json"], "{}");
        using LoadedCheckpoint loaded = Open();
        (loaded.Source!.Layout, string.Join(',', loaded.OtherFiles), loaded.Notes.Count).ShouldBe(("dcp-safetensors", "config.json", 0));
        StateMap model = loaded.Load("model");
        model.Keys.ShouldBe(Model().Keys, ignoreOrder: true);
        foreach ((string name, StateNode node) in Model())
            (((StateTensor)model[name]).ToString(), ((StateTensor)model[name]).Bytes().SequenceEqual(((StateTensor)node).Bytes())).ShouldBe((node.ToString(), true), name);
    }

    [Fact]
    public void A_file_says_where_each_of_its_parts_begins_as_PyTorch_does()
    {
        using var stream = new MemoryStream(TestTensors.Written(ShardsLayout.Plan(new StateMap { ["a"] = Rows, ["one"] = One }, 2)[1].WriteTo));
        File.WriteAllBytes(_folder["x.safetensors"], stream.ToArray());
        using SafetensorsFile file = SafetensorsFile.Open(new LocalFileSystem(_folder.Path), "x.safetensors");
        file.Metadata.ShouldBe(new Dictionary<string, string>(StringComparer.Ordinal) { ["DCP_SHARDING_INFO"] = """{"a":{"saved_offsets":[2,0]}}""", ["DCP_VERSION"] = "1.0", ["format"] = "pt", ["cairn.shards"] = "2" }, ignoreOrder: true);
    }

    [Fact]
    public void What_PyTorch_wrote_is_read_and_what_cannot_be_known_of_it_is_noted()
    {
        // Rank 2 of 3 had nothing to write; the parts are of several files and of columns.
        Shard("shard-00001-model-00001-of-00002.safetensors", Said("a", 0, 0), ("a", Part(0, 2)));
        Shard("shard-00003-model-00001-of-00002.safetensors", Said("a", 2, 0), ("a", Part(2, 2)));
        Shard("shard-00003-model-00002-of-00002.safetensors", Said("one"), ("one", One));
        using LoadedCheckpoint loaded = Open();
        ((StateTensor)loaded.Load("model")["a"]).Bytes().ShouldBe(Rows.Bytes());
        loaded.Notes.ShouldHaveSingleItem().ShouldContain("none of the ranks 2");
    }

    [Fact]
    public void Parts_that_do_not_make_up_their_tensor_are_refused()
    {
        Shard(First, Said("a", 0, 0), ("a", Part(0, 2)));
        foreach (long[] offset in new long[][] { [1, 0], [3, 0], [2, 1], [0, 0], [0, 2], [1000000000000, 0] })
        {
            Shard(Second, Said("a", offset), ("a", Part(2, 2)));
            if (offset is [0, 2])
                Open().Dispose();
            else
                Refused(DistributedFault.ChunkCover, "'a'");
        }
        Shard(Second, Said("a", long.MaxValue, 0), ("a", Part(2, 2)));
        Refused(DistributedFault.ChunkCover, "2^63");
        Shard(Second, Said("a", 2, 0), ("a", Part(2, 1, 3)));
        Refused(DistributedFault.ChunkCover, "'a'");
        Shard(Second, Said("a", 2, 0), ("a", TestTensors.Of(TensorType.F16, 2, 2)));
        Refused(DistributedFault.ContentMismatch, "F16");
    }

    [Theory]
    [InlineData("no JSON", "JSON")]
    [InlineData("[]", "an object")]
    [InlineData("{\"a\": 1}", "saved_offsets")]
    [InlineData("{\"a\": {\"saved_offsets\": 0}}", "saved_offsets")]
    [InlineData("{\"a\": {\"saved_offsets\": [0, -1]}}", "from 0 on")]
    [InlineData("{\"a\": {\"saved_offsets\": [0, 0.5]}}", "from 0 on")]
    [InlineData("{\"a\": {\"saved_offsets\": [0, \"0\"]}}", "from 0 on")]
    [InlineData("{\"a\": {\"saved_offsets\": [0, 9223372036854775808]}}", "from 0 on")]
    [InlineData("{\"a\": {\"saved_offsets\": [0]}}", "number of dimensions")]
    [InlineData("{\"a\": {\"saved_offsets\": [0, 0]}, \"a\": {\"saved_offsets\": [0, 0]}}", "it twice")]
    public void Offsets_that_are_none_are_refused(string info, string said)
    {
        Shard(First, info, ("a", Part(0, 2)));
        Refused(DistributedFault.MetadataMalformed, said);
    }

    [Fact]
    public void What_a_file_does_not_say_or_nobody_holds_is_refused()
    {
        Shard(First, null, ("a", Part(0, 2)));
        Refused(DistributedFault.NoStorage, "DCP_SHARDING_INFO");
        Shard(First, Said("b", 0, 0), ("a", Part(0, 2)));
        Refused(DistributedFault.NoStorage, "'a'");
        Shard(First, """{"a": {"saved_offsets": [0, 0]}, "gone": {"saved_offsets": [0]}}""", ("a", Part(0, 2)));
        Refused(DistributedFault.MissingFile, "'gone'");
    }

    [Fact]
    public void A_set_that_is_not_whole_is_named()
    {
        IReadOnlyList<PlannedFile> files = ShardsLayout.Plan(Model(), 3);
        foreach (PlannedFile file in files)
            File.WriteAllBytes(_folder[file.Name], TestTensors.Written(file.WriteTo));
        File.Delete(_folder[Third]);
        Refused(DistributedFault.MissingFile, "3 files, found 2, without those of the ranks 3");
        File.WriteAllBytes(_folder[Third], TestTensors.Written(files[2].WriteTo));
        File.Copy(_folder[First], _folder["shard-00004-model-00001-of-00001.safetensors"]);
        Refused(DistributedFault.MissingFile, "more files");
    }

    [Fact]
    public void Names_that_contradict_each_other_or_count_missing_files_are_refused()
    {
        Shard(First, Said("a", 0, 0), ("a", Part(0, 2)));
        Shard("shard-00002-model-00001-of-00002.safetensors", Said("a", 2, 0), ("a", Part(2, 2)));
        Refused(DistributedFault.MetadataMalformed, "contradict");
        File.Delete(_folder[First]);
        Refused(DistributedFault.MissingFile, "model-00002-of-00002");
        File.Delete(_folder["shard-00002-model-00001-of-00002.safetensors"]);
        Shard("shard-999999999-model-00001-of-00001.safetensors", Said("a", 0, 0), ("a", Part(0, 2)));
        Open().Dispose();
    }

    [Fact]
    public void A_missing_rank_in_the_middle_is_named_where_its_rows_are_missing()
    {
        Shard(First, Said("a", 0, 0), ("a", Part(0, 1)));
        Shard(Third, Said("a", 2, 0), ("a", Part(2, 2)));
        Refused(DistributedFault.ChunkCover, "no file of the ranks 2");
    }

    [Fact]
    public void One_ranks_file_by_itself_is_no_model_and_a_part_under_the_name_of_a_model_neither()
    {
        Shard(First, Said("a", 0, 0), ("a", Part(0, 2)));
        Should.Throw<CheckpointException>(() => CheckpointReader.Open(_folder[First])).Message.ShouldContain("Give its folder");
        File.Move(_folder[First], _folder["model.safetensors"]);
        Open().Dispose();
        Shard("model.safetensors", Said("a", 2, 0), ("a", Part(2, 2)));
        Refused(DistributedFault.ChunkCover, "whole tensors");
    }
}
