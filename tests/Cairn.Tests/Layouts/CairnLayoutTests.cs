using Cairn.Layouts;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts;

public class CairnLayoutTests
{
    [Fact]
    public void Parts_have_the_file_names_of_the_design_and_are_found_again()
    {
        StateMap tensors = new() { ["w"] = TestTensors.Of(TensorType.F32, 1) }, values = new() { ["n"] = 1L };
        IReadOnlyList<PlannedFile> files = CairnLayout.Plan(
            [("model", tensors), ("optimizer", tensors), ("scheduler", values), ("sampler", values), ("random", tensors), ("context", values), ("my_part2", values)]);
        files.Select(f => f.Name).ShouldBe(
            ["model_tp0_pp0.safetensors", "optimizer_tp0_pp0_zo0.safetensors", "scheduler.json", "sampler_0.json", "random_0.safetensors", "context.json", "my_part2.json"]);
        CairnLayout.FilesByPart([.. files.Select(f => f.Name), "500.step", "notes.txt", "model_tp1.safetensors", "model.json", "UPPER.json"])
            .ToDictionary(part => part.Key, part => part.Value.ShouldHaveSingleItem(), StringComparer.Ordinal)
            .ShouldBe(files.ToDictionary(f => f.Part, f => f.Name, StringComparer.Ordinal), ignoreOrder: true);
    }

    [Theory]
    [InlineData(""), InlineData("Model"), InlineData("a-b"), InlineData("../a"), InlineData("a.b"), InlineData("ü"), InlineData("nul"), InlineData("com1")]
    [InlineData("sampler_0"), InlineData("model_tp3_pp1"), InlineData("optimizer_tp0_pp0_zo12"), InlineData("random_7")]
    public void A_name_that_could_be_taken_for_another_file_is_refused(string part)
    {
        Should.Throw<ArgumentException>(() => CairnLayout.Plan([(part, new StateMap())]));
        (CairnLayout.PartOf(part + ".json") == part).ShouldBeFalse();
    }

    [Theory, InlineData("model_ema"), InlineData("sampler_eval"), InlineData("ema"), InlineData("5")]
    public void Other_names_are_the_users(string part) => CairnLayout.PartOf(CairnLayout.Plan([(part, new StateMap())])[0].Name).ShouldBe(part);

    [Fact]
    public void A_part_stands_once()
    {
        Should.Throw<ArgumentException>(() => CairnLayout.Plan([("a", new StateMap()), ("a", new StateMap())]));
        Should.Throw<CorruptCheckpointException>(() => CairnLayout.FilesByPart(["a.json", "a.safetensors"])).Message.ShouldContain("two files");
    }

    [Fact]
    public void A_part_owns_its_file()
    {
        var files = new FilesInMemory();
        PlannedFile planned = CairnLayout.Plan([("model", new StateMap { ["w"] = TestTensors.Of(TensorType.F32, 1) })])[0];
        files.Files[planned.Name] = TestTensors.Written(planned.WriteTo);
        LoadedPart part = CairnLayout.Read(files, "", planned.Name);
        files.Open.ShouldBe(1);
        part.Dispose();
        files.Open.ShouldBe(0);
    }

    [Fact]
    public void A_huge_JSON_file_is_refused_before_memory_is_taken_for_it()
    {
        var file = new Endless();
        CorruptCheckpointException e = Should.Throw<CorruptCheckpointException>(() => PartDecoder.DecodeJson(file, "a.json"));
        e.Message.ShouldContain("too large");
        file.Reads.ShouldBe(0);
    }

    private sealed class Endless : IReadableFile
    {
        public int Reads { get; private set; }
        public long Length => 64 * 1024 * 1024 + 1;
        public int Read(long offset, Span<byte> destination) => ++Reads;
        public void Dispose() { }
    }
}
