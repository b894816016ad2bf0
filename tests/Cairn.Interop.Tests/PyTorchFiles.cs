namespace Cairn.Interop.Tests;

/// <summary>The files that <c>fixtures.py</c> writes, made once for all tests.</summary>
public sealed class PyTorchFiles : IDisposable
{
    private readonly Lazy<string> _folder = new(Make);

    public string PathOf(string name) => Path.Combine(_folder.Value, name);

    private static string Make()
    {
        Python.Require();
        string folder = Directory.CreateTempSubdirectory("cairn-pytorch-").FullName;
        Python.Run("fixtures.py", [folder]);
        return folder;
    }

    public void Dispose()
    {
        if (_folder.IsValueCreated)
            Directory.Delete(_folder.Value, recursive: true);
    }
}
