using System.Text.RegularExpressions;
using Cairn.Checkpoints;
using Cairn.Formats.Torch;
using Cairn.Layouts;

namespace Cairn.Tests.Formats;

/// <summary>Opens every file of <c>attacks</c>; the table in <c>attacks/README.md</c> says what must happen.</summary>
public partial class AttackTests
{
    // The densest JSON is "{},": three bytes that become a map of some 150.
    private const int BytesPerFileByte = 64;

    [GeneratedRegex(@"^\| `(?<file>(safetensors|json|markers|torch)/[^`]+)` \| .* \| `(?<phrase>[^`]+)` \|$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Row();

    internal static string Folder()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Cairn.slnx")))
            folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder ?? throw new InvalidOperationException("Cairn.slnx is in no folder above the tests."), "attacks");
    }

    public static TheoryData<string, string> Attacks()
    {
        var attacks = new TheoryData<string, string>();
        foreach (Match row in Row().Matches(File.ReadAllText(Path.Combine(Folder(), "README.md"))))
            attacks.Add(row.Groups["file"].Value, row.Groups["phrase"].Value);
        return attacks;
    }

    [Theory, MemberData(nameof(Attacks))]
    public void A_hostile_file_is_refused_by_name_and_in_little_memory(string file, string phrase)
    {
        var files = new FilesInMemory();
        byte[] bytes = File.ReadAllBytes(Path.Combine(Folder(), file));
        files.Files[file] = bytes;
        Should.Throw<CorruptCheckpointException>(() => Read(files, file));
        long before = GC.GetAllocatedBytesForCurrentThread();
        CorruptCheckpointException? refused = null;
        try
        {
            Read(files, file);
        }
        catch (CorruptCheckpointException e)
        {
            refused = e;
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        refused.ShouldNotBeNull();
        refused.Message.ShouldContain(phrase, Case.Sensitive);
        refused.Message.ShouldContain(file, Case.Sensitive);
        refused.Message.Length.ShouldBeLessThan(2000);
        refused.Path.ShouldBe(file);
        allocated.ShouldBeLessThan((long)bytes.Length * BytesPerFileByte + (1 << 20));
        files.Open.ShouldBe(0);
        File.Exists("/tmp/cairn-attack").ShouldBeFalse("a hostile file was executed");
    }

    // As its reader would meet it: a marker is read whole, its size being bounded by the catalog.
    private static void Read(FilesInMemory files, string file)
    {
        if (file.EndsWith(".step", StringComparison.Ordinal))
            Marker.Parse(files.Files[file], file);
        else if (file.StartsWith("torch/", StringComparison.Ordinal))
            ReadTensors(files, file);
        else
            CairnLayout.Read(files, "", file).Dispose();
    }

    private static void ReadTensors(FilesInMemory files, string path)
    {
        using TorchFile file = TorchFile.Open(files, path);
        foreach (TorchValue value in file.Root as IEnumerable<TorchValue> ?? [file.Root])
            (value as TorchTensorValue)?.Data.CopyTo(0, new byte[1]);
    }

    [Fact]
    public void Every_hostile_file_is_listed()
    {
        string folder = Folder();
        string[] listed = [.. Attacks().Select(row => row.Data.Item1).Order(StringComparer.Ordinal)];
        string[] present = [.. new[] { "json", "markers", "safetensors", "torch" }.SelectMany(kind => Directory.GetFiles(Path.Combine(folder, kind)).Select(f => $"{kind}/{Path.GetFileName(f)}")).Order(StringComparer.Ordinal)];
        listed.ShouldBe(present);
    }
}
