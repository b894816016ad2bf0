using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>A folder of this machine, or one that is shared and mounted, as a store: objects are files that are written beside their place, made durable and renamed.</summary>
internal sealed class LocalRunStore(LocalFileSystem files) : IRunStore
{
    // Nobody else writes such a name, and listings leave it out.
    private const string Unfinished = ".unfinished-";

    public string Root => files.Root;

    public ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default) => new(Task.Run<IReadOnlyList<FileSystemEntry>>(() =>
        [.. files.List(folder).Where(entry => !entry.Name.StartsWith(Unfinished, StringComparison.Ordinal) && !(entry.IsFolder && IsEmpty($"{folder}/{entry.Name}".TrimStart('/'))))], cancellationToken));

    public ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default) =>
        new(Task.Run<IStoreReader>(() => new Reader(files.OpenRead(path)), cancellationToken));

    public ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default) =>
        new(Task.Run<IStoreWriter>(() => new Writer(files, path, length), cancellationToken));

    public async ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        _ = await PutAsync(path, content, replaces: true, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => PutAsync(path, content, replaces: false, cancellationToken);

    private async ValueTask<bool> PutAsync(string path, ReadOnlyMemory<byte> content, bool replaces, CancellationToken cancellationToken)
    {
        var writer = (Writer)await CreateAsync(path, content.Length, cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            await writer.WriteAsync(0, content, cancellationToken).ConfigureAwait(false);
            return await writer.TryCompleteAsync(replaces, cancellationToken).ConfigureAwait(false);
        }
    }

    // What has a name is never written to, so two names of one file are two objects.
    public ValueTask<bool> TryCopyAsync(string from, string to, CancellationToken cancellationToken = default) => new(Task.Run(() =>
    {
        if (files.Identify(from) is not { } identity)
            return OperatingSystem.IsWindows() ? false : throw new FileNotFoundException($"There is no '{from}' in {Root}.", from);
        string folder = StorePath.Parent(to), beside = StorePath.Join(folder, Unfinished + Guid.NewGuid().ToString("N"));
        Writer.MakeFolder(files, folder);
        switch (files.Link(from, beside, identity))
        {
            case LinkOutcome.Unsupported:
                return false;
            case LinkOutcome.NotThisOne:
                throw new FileNotFoundException($"'{from}' in {Root} cannot be copied any more.", from);
        }
        files.Move(beside, to);
        files.SyncFolder(folder);
        // Where both were one file already, the rename did nothing.
        files.DeleteFile(beside);
        return true;
    }, cancellationToken));

    public ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default) => new(Task.Run(() =>
    {
        files.DeleteFile(path);
        string folder = StorePath.Parent(path);
        // What is in no folder any more has no folder.
        while (folder.Length > 0 && files.FolderExists(folder) && files.List(folder).Count == 0 && TryRemove(folder))
            folder = StorePath.Parent(folder);
        if (files.FolderExists(folder))
            files.SyncFolder(folder);
    }, cancellationToken));

    private bool TryRemove(string folder)
    {
        try
        {
            Directory.Delete(Path.Join(files.Root, folder));
            return true;
        }
        catch (IOException)
        {
            // Somebody has put something there meanwhile.
            return false;
        }
    }

    private bool IsEmpty(string folder) => files.List(folder).All(entry => entry.Name.StartsWith(Unfinished, StringComparison.Ordinal) || (entry.IsFolder && IsEmpty($"{folder}/{entry.Name}")));

    private sealed class Reader(IReadableFile file) : IStoreReader
    {
        public long Length => file.Length;

        public ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken = default) =>
            new(Task.Run(() => file.Read(offset, destination.Span), cancellationToken));

        public ValueTask DisposeAsync()
        {
            file.Dispose();
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Writer : IStoreWriter
    {
        private const int MostTries = 100;

        private readonly LocalFileSystem _files;
        private readonly string _folder, _beside, _target;
        private readonly SafeFileHandle _handle;
        private bool _isComplete;

        public Writer(LocalFileSystem files, string path, long length)
        {
            StorePath.Check(path);
            (_files, _folder, _target) = (files, StorePath.Parent(path), Path.Join(files.Root, path));
            _beside = Path.Join(files.Root, _folder, Unfinished + Guid.NewGuid().ToString("N"));
            _handle = Open(length);
        }

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => RandomAccess.WriteAsync(_handle, bytes, offset, cancellationToken);

        public async ValueTask CompleteAsync(CancellationToken cancellationToken = default) => await TryCompleteAsync(replaces: true, cancellationToken).ConfigureAwait(false);

        public ValueTask<bool> TryCompleteAsync(bool replaces, CancellationToken cancellationToken) => new(Task.Run(() =>
        {
            RandomAccess.FlushToDisk(_handle);
            _handle.Dispose();
            if (replaces)
                File.Move(_beside, _target, overwrite: true);
            else if (!MovedWhereNothingIs())
                return false;
            _isComplete = true;
            _files.SyncFolder(_folder);
            return true;
        }, cancellationToken));

        // On Unix File.Move looks first and renames then, and so does not keep two from succeeding; a second name is given to one only.
        private bool MovedWhereNothingIs()
        {
            if (OperatingSystem.IsWindows())
            {
                try
                {
                    File.Move(_beside, _target, overwrite: false);
                    return true;
                }
                catch (IOException) when (File.Exists(_target))
                {
                    return false;
                }
            }
            int error = UnixCalls.Link(_beside, _target);
            if (error == UnixCalls.Exists)
                return false;
            if (error != 0)
                throw new IOException($"'{_target}' cannot be put only where nothing is: this file system has no hard links (error {error}).");
            File.Delete(_beside);
            return true;
        }

        public ValueTask DisposeAsync()
        {
            _handle.Dispose();
            if (!_isComplete)
                File.Delete(_beside);
            return ValueTask.CompletedTask;
        }

        private SafeFileHandle Open(long length)
        {
            for (int tries = 1; ; tries++)
            {
                MakeFolder(_files, _folder);
                try
                {
                    return File.OpenHandle(_beside, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.Asynchronous, preallocationSize: length);
                }
                catch (DirectoryNotFoundException) when (tries < MostTries)
                {
                    // The folder was empty, and whoever deleted the last object in it has removed it.
                }
            }
        }

        public static void MakeFolder(LocalFileSystem files, string folder)
        {
            if (files.FolderExists(folder))
                return;
            if (folder.Length > 0)
                MakeFolder(files, StorePath.Parent(folder));
            files.CreateFolder(folder);
            if (folder.Length > 0)
                files.SyncFolder(StorePath.Parent(folder));
        }
    }
}
