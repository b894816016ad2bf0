using System.Text.Json.Nodes;
using Cairn.Formats;
using Cairn.Formats.Torch;

namespace Cairn.Interop.Tests;

/// <summary>What PyTorch's <c>torch.load</c> makes of a file that we wrote.</summary>
internal static class TorchLoad
{
    private static readonly Lazy<Version> Version = new(() => System.Version.Parse(Python.Run("version.py", []).Split(' ', '+', 'a')[1].Trim()));

    public static bool IsVersion2
    {
        get
        {
            Python.Require();
            return Version.Value.Major >= 2;
        }
    }

    /// <summary>The ways to load that this PyTorch has.</summary>
    public static string[] AllModes => IsVersion2 ? ["plain", "weights_only", "mmap", "weights_only,mmap"] : ["plain", "weights_only"];

    /// <summary>Skips the calling test where the older PyTorch lacks what it is about.</summary>
    public static void RequireVersion2(string what)
    {
        if (!IsVersion2)
            Assert.Skip($"PyTorch {Version.Value} has no {what}. eng/check-with-torch-2.sh runs this test with a newer one.");
    }

    /// <summary>
    /// Writes a value and compares to the bit what PyTorch makes of it in each of these ways, what we read from our file, and what we read from the file that
    /// PyTorch makes of it again. The archive must be good for other tools too.
    /// </summary>
    public static TorchFileWriter ReadsTheSame(TorchValue value, params string[] modes) => ReadsTheSame(value, canSaveAgain: true, modes);

    /// <inheritdoc cref="ReadsTheSame(TorchValue, string[])"/>
    /// <param name="value">The value.</param>
    /// <param name="canSaveAgain">Whether PyTorch itself can save it.</param>
    /// <param name="modes">The ways to load it.</param>
    public static TorchFileWriter ReadsTheSame(TorchValue value, bool canSaveAgain, string[] modes)
    {
        Python.Require();
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "written.pt"), again = Path.Combine(folder.Path, "again.pt");
        TorchFileWriter file = TorchFileWriter.Plan(value, "written");
        Write(file, path);
        string expected = Describe(value);
        string[] lines = Python.Run("describe.py", [path, canSaveAgain ? again : "-", .. modes]).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Length.ShouldBe(modes.Length);
        for (int i = 0; i < lines.Length; i++)
            (JsonNode.Parse(lines[i])?.ToJsonString() ?? "null").ShouldBe(expected, modes[i]);
        DescribeFile(path).ShouldBe(expected);
        if (canSaveAgain)
            DescribeFile(again).ShouldBe(expected);
        Python.Run("testzip.py", [path]).ShouldContain("good");
        return file;
    }

    public static void Write(IFileContent file, string path)
    {
        using (FileStream stream = File.Create(path))
            file.WriteTo((bytes, _, _) => stream.Write(bytes));
        new FileInfo(path).Length.ShouldBe(file.Length);
    }

    private static string DescribeFile(string path)
    {
        using TorchFile file = TorchFile.Map(path);
        file.Verify();
        return Describe(file.Root);
    }

    private static string Describe(TorchValue value) => new ValueDescription().Of(value)?.ToJsonString() ?? "null";
}
