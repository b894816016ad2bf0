using System.Reflection;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>What stands between a save and its store loses nothing that the store can do, least of all what has a default.</summary>
public class ForwardingFileSystemTests
{
    private static IEnumerable<MethodInfo> Methods => typeof(IFileSystem).GetMethods().Concat(typeof(IFileSource).GetMethods());

    public static TheoryData<string> Members => [.. Methods.Select(method => method.ToString()!)];

    [Theory, MemberData(nameof(Members))]
    public void Every_call_reaches_the_store_as_it_was_made(string member)
    {
        MethodInfo method = Methods.Single(method => method.ToString() == member);
        object[] arguments = [.. method.GetParameters().Select(parameter => parameter.ParameterType == typeof(long) ? (object)7L : parameter.Name!)];
        foreach (Func<IFileSystem, IFileSystem> wrap in (Func<IFileSystem, IFileSystem>[])
            [static inner => new TimedFileSystem(inner, TimeProvider.System), static inner => new PatientFileSystem(inner, TimeSpan.FromMinutes(5))])
        {
            var store = new RecordingFileSystem();
            IFileSystem files = wrap(store);
            // Reflection passes no span.
            if (method.Name == nameof(IFileSystem.Append))
                files.Append("path", [1, 2], durable: true);
            else
                _ = method.Invoke(files, arguments);
            string call = method.Name == nameof(IFileSystem.Append) ? "Append path 2 True" : string.Join(' ', [method.Name, .. arguments]);
            store.Calls.ShouldBe([call], $"{files.GetType().Name}: {member}");
            (files as IDisposable)?.Dispose();
        }
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
