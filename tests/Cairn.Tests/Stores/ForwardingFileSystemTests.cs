using System.Reflection;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>What stands between a save and its store loses nothing that the store can do, least of all what has a default.</summary>
public class ForwardingFileSystemTests
{
    // Put is made of the others.
    private static readonly MethodInfo[] OfRun = [.. typeof(IRunFiles).GetMethods().Where(method => method.Name != nameof(IRunFiles.Put)), .. typeof(IFileSource).GetMethods()];

    public static TheoryData<string> OfDisks => [.. typeof(IFileSystem).GetMethods().Concat(OfRun).Select(method => method.ToString()!).Where(member => !member.Contains("Put", StringComparison.Ordinal)).Distinct(StringComparer.Ordinal)];

    public static TheoryData<string> OfRuns => [.. OfRun.Select(method => method.ToString()!)];

    [Theory, MemberData(nameof(OfDisks))]
    public void Every_call_reaches_the_disk_as_it_was_made(string member)
    {
        var disk = new RecordingFileSystem();
        Calls(disk, new TimedFileSystem(disk, new SignsOfLife("root", TimeProvider.System)), typeof(IFileSystem).GetMethods().Concat(OfRun).First(method => method.ToString() == member));
    }

    [Theory, MemberData(nameof(OfRuns))]
    public void Every_call_of_training_reaches_the_run_as_it_was_made(string member)
    {
        var disk = new RecordingFileSystem();
        using var files = new PatientFiles(disk, TimeSpan.FromMinutes(5));
        Calls(disk, files, OfRun.Single(method => method.ToString() == member));
    }

    private static void Calls(RecordingFileSystem store, IRunFiles files, MethodInfo method)
    {
        object[] arguments = [.. method.GetParameters().Select(parameter => parameter.ParameterType == typeof(long) ? (object)7L : parameter.ParameterType == typeof(FileIdentity) ? new FileIdentity(1, 2, 3, 4) : parameter.Name!)];
        // Reflection passes no span.
        if (method.Name == nameof(IRunFiles.Append))
            files.Append("path", [1, 2], durable: true);
        else
            _ = method.Invoke(files, arguments);
        string call = method.Name == nameof(IRunFiles.Append) ? "Append path 2 True" : string.Join(' ', [method.Name, .. arguments]);
        store.Calls.ShouldBe([call], $"{files.GetType().Name}: {method}");
    }

    private sealed class RecordingFileSystem : IFileSystem
    {
        public List<string> Calls { get; } = [];

        public string Root => Note("get_Root", "root");
        public bool CanExchange => Note("get_CanExchange", true);
        public long? AvailableBytes() => Note("AvailableBytes", 1L);
        public long? AvailableBytes(string folder) => Note($"AvailableBytes {folder}", 2L);
        public long ReclaimableBytes(string folder) => Note($"ReclaimableBytes {folder}", 3L);
        public IReadOnlyList<FileSystemEntry> List(string folder) => Note($"List {folder}", Array.Empty<FileSystemEntry>());
        public bool FileExists(string path) => Note($"FileExists {path}", true);
        public bool FolderExists(string path) => Note($"FolderExists {path}", true);
        public void CreateFolder(string path) => Note($"CreateFolder {path}", true);
        public IReadableFile OpenRead(string path) => Note<IReadableFile>($"OpenRead {path}", null!);
        public IWritableFile OpenWrite(string path, long length) => Note<IWritableFile>($"OpenWrite {path} {length}", null!);
        public bool CanOverwrite(string path) => Note($"CanOverwrite {path}", true);
        public FileIdentity? Identify(string path) => Note($"Identify {path}", new FileIdentity(1, 2, 3, 4));
        public LinkOutcome Link(string file, string name, FileIdentity expected) => Note($"Link {file} {name} {expected}", LinkOutcome.Linked);
        public void SyncFile(string path) => Note($"SyncFile {path}", true);
        public void SyncFolder(string path) => Note($"SyncFolder {path}", true);
        public void Move(string from, string to) => Note($"Move {from} {to}", true);
        public void Exchange(string first, string second) => Note($"Exchange {first} {second}", true);
        public void DeleteFile(string path) => Note($"DeleteFile {path}", true);
        public void DeleteFolder(string path) => Note($"DeleteFolder {path}", true);
        public void Append(string path, ReadOnlySpan<byte> bytes, bool durable) => Note($"Append {path} {bytes.Length} {durable}", true);

        private T Note<T>(string call, T answer)
        {
            lock (Calls)
                Calls.Add(call);
            return answer;
        }
    }
}
