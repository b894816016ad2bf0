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

    /// <summary>The ways to load that this PyTorch has and that take plain values.</summary>
    public static string[] AllModes => IsVersion2 ? ["", "weights_only", "mmap", "weights_only mmap"] : ["", "weights_only"];

    /// <summary>Skips the calling test where the older PyTorch lacks what it is about.</summary>
    public static void RequireVersion2(string what)
    {
        if (!IsVersion2)
            Assert.Skip($"PyTorch {Version.Value} has no {what}. eng/check-with-torch-2.sh runs this test with a newer one.");
    }

    /// <summary>Writes a value and compares what PyTorch makes of it, to the bit, in each of these ways; the archive must be good for other tools too.</summary>
    public static TorchFileWriter ReadsTheSame(TorchValue value, params string[] modes)
    {
        Python.Require();
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "written.pt");
        TorchFileWriter file = TorchFileWriter.Plan(value, "written");
        Write(file, path);
        string expected = TorchDescription.Of(value);
        foreach (string mode in modes)
            Python.Run("describe.py", [path, .. mode.Split(' ', StringSplitOptions.RemoveEmptyEntries)]).ShouldBe(expected, $"torch.load({mode})");
        Python.Run("testzip.py", [path]).ShouldContain("good");
        return file;
    }

    public static void Write(IFileContent file, string path)
    {
        using (FileStream stream = File.Create(path))
            file.WriteTo((bytes, _, _) => stream.Write(bytes));
        new FileInfo(path).Length.ShouldBe(file.Length);
    }
}

/// <summary>A folder that is removed at the end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cairn-interop-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
