using System.Text.RegularExpressions;
using Cairn.Layouts;
using Cairn.Opening;

namespace Cairn.Tests.Formats;

/// <summary>Opens every folder of <c>attacks/folders</c>, and loads each part; the table in <c>attacks/README.md</c> says what must happen.</summary>
public partial class FolderAttackTests
{
    private const int BytesPerFileByte = 64, Windows = 4 << 20;

    [GeneratedRegex(@"^\| `folders/(?<folder>[^`]+)` \| .* \| `(?<phrase>[^`]+)` \|$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Row();

    public static TheoryData<string, string> Attacks()
    {
        var attacks = new TheoryData<string, string>();
        foreach (Match row in Row().Matches(File.ReadAllText(Path.Combine(AttackTests.Folder(), "README.md"))))
            attacks.Add(row.Groups["folder"].Value, row.Groups["phrase"].Value);
        return attacks;
    }

    [Theory, MemberData(nameof(Attacks))]
    public void A_hostile_folder_is_refused_by_name_and_in_little_memory(string folder, string phrase)
    {
        string root = Path.Combine(AttackTests.Folder(), "folders", folder);
        var files = new FilesInMemory();
        foreach (string file in Directory.GetFiles(root, "*", SearchOption.AllDirectories))
            files.Files[Path.GetRelativePath(root, file)] = File.ReadAllBytes(file);
        string path = Path.GetFileName(Directory.GetDirectories(root)[0]);
        Read(files, path);
        long before = GC.GetAllocatedBytesForCurrentThread();
        List<CorruptCheckpointException> refused = Read(files, path);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        refused.ShouldContain(refusal => refusal.Message.Contains(phrase, StringComparison.Ordinal), string.Join('\n', refused.Select(refusal => refusal.Message)));
        refused.ShouldAllBe(refusal => refusal.Message.Length < 2000);
        allocated.ShouldBeLessThan((files.Files.Values.Sum(bytes => (long)bytes.Length) * BytesPerFileByte) + Windows);
        files.Open.ShouldBe(0);
    }

    [Fact]
    public void Every_hostile_folder_is_listed() =>
        Attacks().Select(row => row.Data.Item1).Order(StringComparer.Ordinal).ShouldBe(Directory.GetDirectories(Path.Combine(AttackTests.Folder(), "folders")).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal));

    // A part that is refused hides no other.
    private static List<CorruptCheckpointException> Read(FilesInMemory files, string path)
    {
        List<CorruptCheckpointException> refused = [];
        try
        {
            using LoadedCheckpoint opened = CheckpointReader.Open(files, path);
            foreach (string part in opened.Parts)
            {
                try
                {
                    _ = opened.Load(part);
                }
                catch (CorruptCheckpointException e)
                {
                    refused.Add(e);
                }
            }
        }
        catch (CorruptCheckpointException e)
        {
            refused.Add(e);
        }
        return refused;
    }
}
