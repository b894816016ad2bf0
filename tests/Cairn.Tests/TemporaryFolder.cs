namespace Cairn.Tests;

/// <summary>A real folder that goes when the test ends.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private const string Memory = "/dev/shm";

    /// <param name="inMemory">For tens of thousands of files: on a file system in memory, where the machine has one.</param>
    public TemporaryFolder(bool inMemory = false) =>
        Path = inMemory && Directory.Exists(Memory) ? Directory.CreateDirectory(System.IO.Path.Combine(Memory, $"cairn-{Guid.NewGuid():N}")).FullName : Directory.CreateTempSubdirectory("cairn-").FullName;

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
