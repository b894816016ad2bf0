using System.Text.Json.Nodes;
using Cairn.Formats.Torch;
using Cairn.Stores;

namespace Cairn.Interop.Tests;

/// <summary>What the system's PyTorch writes is read equal: values, kinds, types, strides, shared storages and ties.</summary>
public class TorchReadingTests(PyTorchFiles files) : IClassFixture<PyTorchFiles>
{
    private static readonly string[] Fixtures =
        ["values", "types", "empty", "views", "sharing", "module", "optimizers", "arrays", "attributes", "tensor", "scalar", "list", "storage", "sparse", "random", "meta", "dtypes"];

    public static TheoryData<string, string> Formats()
    {
        var formats = new TheoryData<string, string>();
        foreach (string fixture in Fixtures)
        {
            foreach (string format in (string[])["", ".protocol1", ".protocol3", ".protocol4", ".protocol5", ".legacy"])
                formats.Add(fixture, format);
        }
        return formats;
    }

    public static TheoryData<string> Names() => [.. Fixtures];

    [Fact]
    public void Optimizers_that_were_read_and_written_again_load_as_they_were_saved()
    {
        string saved = files.PathOf("optimizers.pt");
        using var folder = new TemporaryFolder();
        string again = Path.Combine(folder.Path, "again.pt");
        using (TorchFile file = TorchFile.Map(saved))
            TorchLoad.Write(TorchFileWriter.Plan(TorchTree.FromState(TorchTree.ToState(file.Root)), "again"), again);
        string[] lines = Python.Run("optimizers_again.py", [saved, again]).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Length.ShouldBe(8);
        lines.ShouldAllBe(line => line.EndsWith(" same", StringComparison.Ordinal));
    }

    [Theory, MemberData(nameof(Formats))]
    public void A_file_of_pytorch_is_read_equal(string fixture, string format)
    {
        string path = files.PathOf($"{fixture}{format}.pt");
        JsonNode? expected = Expected(fixture);
        using (TorchFile mapped = TorchFile.Map(path))
        {
            Same(new ValueDescription().Of(mapped.Root), expected);
            mapped.Verify(TestContext.Current.CancellationToken);
            mapped.IsLegacy.ShouldBe(format == ".legacy");
        }
        using TorchFile read = TorchFile.Open(new LocalFileSystem(Path.GetDirectoryName(path)!), Path.GetFileName(path));
        Same(new ValueDescription().Of(read.Root), expected);
    }

    [Theory, MemberData(nameof(Names))]
    public void What_pickle_dump_wrote_is_read_equal(string fixture)
    {
        string path = files.PathOf($"{fixture}.pickle.pt");
        using IReadableFile file = new LocalFileSystem(Path.GetDirectoryName(path)!).OpenRead(Path.GetFileName(path));
        Same(new ValueDescription(withSharing: false).Of(TorchFile.ReadPickle(file, path)), ValueDescription.WithoutSharing(Expected(fixture)));
    }

    [Theory]
    [InlineData("whole module.pt")]
    [InlineData("whole module.legacy.pt")]
    public void A_whole_module_is_refused_by_its_class_and_can_be_listed_on_request(string name)
    {
        string path = files.PathOf(name);
        Should.Throw<ForbiddenPickleException>(() => TorchFile.Map(path)).Callable.ShouldBe("torch.nn.modules.linear.Linear");
        using TorchFile file = TorchFile.Map(path, new TorchReadOptions { AllowOpaque = true });
        var module = file.Root.ShouldBeOfType<TorchObject>();
        (module.IsOpaque, module.Type.ToString()).ShouldBe((true, "torch.nn.modules.linear.Linear"));
        var parameters = (TorchMap)((TorchMap)module.State!)["_parameters"];
        ((TorchTensorValue)parameters["weight"]).Data.Shape.ShouldBe([3L, 2L]);
    }

    [Theory]
    [InlineData("program.pt", TorchFault.TorchScript, "torch.jit.load")]
    [InlineData("quantized.pt", TorchFault.UnsupportedTensor, "dequantize()")]
    internal void What_is_not_read_is_refused_with_what_to_do(string name, TorchFault fault, string advice)
    {
        string path = files.PathOf(name);
        CorruptTorchFileException refused = Should.Throw<CorruptTorchFileException>(() => TorchFile.Map(path));
        refused.Fault.ShouldBe(fault);
        refused.Message.ShouldContain(advice);
    }

    private JsonNode? Expected(string fixture) => JsonNode.Parse(File.ReadAllText(files.PathOf($"{fixture}.json")));

    private static void Same(JsonNode? actual, JsonNode? expected)
    {
        // The text says where they differ; the comparison whether.
        (actual?.ToJsonString() ?? "null").ShouldBe(expected?.ToJsonString() ?? "null");
    }
}
