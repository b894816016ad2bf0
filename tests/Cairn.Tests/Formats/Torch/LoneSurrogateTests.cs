using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch;

/// <summary>Python's texts of names of files that are not UTF-8 hold halves of surrogate pairs, which are no Unicode.</summary>
public class LoneSurrogateTests
{
    // X and three bytes, as "surrogatepass" writes them.
    private const string Half = "\u00ed\u00b3\u00a9", Caf = "caf\uDCE9";

    [Theory]
    [InlineData("X\u0006\0\0\0caf" + Half)]
    [InlineData("\u008c\u0006caf" + Half)]
    [InlineData("\u008d\u0006\0\0\0\0\0\0\0caf" + Half)]
    [InlineData("Vcaf\\udce9\n")]
    public void A_text_that_holds_one_is_read_in_every_protocol(string text) => Pickles.Scalar(text + ".").ShouldBe(Caf);

    [Fact]
    public void So_is_one_that_numpy_holds()
    {
        string dtype = Pickles.Call("numpy dtype", Pickles.Text("U2"), "\u0089", "\u0088");
        Pickles.Scalar(Pickles.Call("numpy.core.multiarray scalar", dtype, Pickles.Bytes([0x63, 0, 0, 0, 0xE9, 0xDC, 0, 0])) + ".").ShouldBe("c\uDCE9");
    }

    [Fact]
    public void It_is_written_as_it_was_read()
    {
        var root = new TorchMap { ["path"] = Caf, [Caf] = 1, ["good"] = "\U0001F600é" };
        var files = new FilesInMemory();
        TorchFileWriter.Plan(root, "f").WriteTo((bytes, _, _) => files.Files["f.pt"] = [.. files.Files.GetValueOrDefault("f.pt") ?? [], .. bytes]);
        using TorchFile file = TorchFile.Open(files, "f.pt");
        var read = (TorchMap)file.Root;
        read["path"].ShouldBe(new TorchScalar(Caf));
        read[Caf].ShouldBe(new TorchScalar(1));
        read["good"].ShouldBe(new TorchScalar("\U0001F600é"));
    }

    [Fact]
    public void Two_halves_that_python_keeps_apart_are_named_and_not_read_as_one_character()
    {
        string pair = "X\u0006\0\0\0\u00ed\u00a0\u00bd\u00ed\u00b8\u0080";
        var files = new FilesInMemory();
        files.Files["f.pt"] = Pickles.Archive(Pickles.Raw("}(" + Pickles.Text("a") + pair + Pickles.Text("b") + "K\u0001u."));
        using LoadedTorchState state = LoadedTorchState.OpenFile(files, "f.pt");
        state.Notes.ShouldHaveSingleItem().ShouldContain("a (an object of builtins.str)");
        ((StateScalar)state.Load("model")["b"]).Value.ShouldBe(1L);
        Should.Throw<CorruptTorchFileException>(() => Pickles.Read(pair + ".")).Fault.ShouldBe(TorchFault.NotText);
    }

    [Theory]
    [InlineData("X\u0002\0\0\0\u00ed\u00a0")]
    [InlineData("X\u0003\0\0\0\u00ed\u00a0\u0020")]
    [InlineData("X\u0001\0\0\0\u00ff")]
    [InlineData("X\u0002\0\0\0\u00c0\u0080")]
    public void Other_bytes_are_no_text(string text) => Should.Throw<CorruptTorchFileException>(() => Pickles.Read(text + ".")).Fault.ShouldBe(TorchFault.NotText);
}
