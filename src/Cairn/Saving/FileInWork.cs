using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A file that several threads write, a chunk each at a time. Whoever ends the last chunk makes it durable and closes it.</summary>
internal sealed class FileInWork : IDisposable
{
    private readonly FileToWrite _file;
    private readonly Lock _inOrder;
    private readonly Action<int> _wrote;
    private readonly CancellationToken _cancellationToken;
    private readonly Lazy<IWritableFile> _target;
    private readonly IRangedContent? _ranged;
    private readonly Lock _gate = new();
    private readonly long _length, _chunkBytes;
    private readonly UInt128[] _hashes;
    private (int Chunk, string Tensor)? _nonFinite;
    private ChunkHashes? _ordered;
    private int _taken = -1, _left;
    private bool _isClosed;

    /// <param name="file">The file.</param>
    /// <param name="inOrder">Held while the bytes of a file come in order: of one at a time, to bound memory.</param>
    /// <param name="wrote">Called with the bytes of each block, and with 0 at the end.</param>
    /// <param name="cancellationToken">Gives up between two blocks.</param>
    public FileInWork(FileToWrite file, Lock inOrder, Action<int> wrote, CancellationToken cancellationToken)
    {
        (_file, _inOrder, _wrote, _cancellationToken) = (file, inOrder, wrote, cancellationToken);
        _target = new Lazy<IWritableFile>(file.Open);
        _ranged = file.Content as IRangedContent;
        _length = file.Content.Length;
        _chunkBytes = file.ChunkBytes;
        // One that is made in order is written as a whole.
        _hashes = new UInt128[_ranged is null ? 1 : ChunkHashes.CountOf(_length, _chunkBytes)];
        _left = _hashes.Length;
    }

    /// <summary>What was written, when all of it was.</summary>
    public WrittenFile Result => new(_ordered ?? ChunkHashes.Of(_chunkBytes, _hashes), _nonFinite?.Tensor);

    /// <summary>Takes the next chunk, if one is left.</summary>
    public bool TryTake(out int chunk) => (chunk = Interlocked.Increment(ref _taken)) < _hashes.Length;

    /// <summary>Writes a chunk that was taken.</summary>
    public void Write(int chunk)
    {
        if (_ranged is not null)
        {
            WriteChunk(_ranged, chunk);
        }
        else
        {
            lock (_inOrder)
                WriteInOrder();
        }
        if (Interlocked.Decrement(ref _left) > 0)
            return;
        _cancellationToken.ThrowIfCancellationRequested();
        _target.Value.Sync();
        _isClosed = true;
        _target.Value.Dispose();
        _wrote(0);
    }

    /// <summary>Closes a file that was not written to its end. No thread may be writing it.</summary>
    public void Dispose()
    {
        if (_isClosed || !_target.IsValueCreated)
            return;
        _isClosed = true;
        _target.Value.Dispose();
    }

    private void WriteChunk(IRangedContent content, int chunk)
    {
        long start = chunk * _chunkBytes, end = _chunkBytes > _length - start ? _length : start + _chunkBytes;
        IWritableFile target = _target.Value;
        _hashes[chunk] = ChunkPass.Run(content, start, end, target.WantsPages, _file.LooksForNonFinite ? tensor => Note(chunk, tensor) : null, (offset, block) =>
        {
            _cancellationToken.ThrowIfCancellationRequested();
            target.Write(offset, block);
            _wrote(block.Length);
        });
    }

    private void WriteInOrder()
    {
        var hasher = new ChunkHasher(_chunkBytes);
        long length = 0;
        using var writer = new SequentialWriter(_target.Value, _length);
        _file.Content.WriteTo((bytes, type, name) =>
        {
            _cancellationToken.ThrowIfCancellationRequested();
            hasher.Append(bytes);
            if (_file.LooksForNonFinite && _nonFinite is null && type is { } element && NonFinite.IsIn(bytes, element))
                Note(0, name ?? "");
            writer.Write(bytes);
            length += bytes.Length;
            _wrote(bytes.Length);
        });
        if (length != _length)
            throw new InvalidOperationException($"{_file.Name} was planned with {_length} bytes and has {length}.");
        writer.Complete();
        _ordered = hasher.Finish();
    }

    // The first in the file, whichever thread finds one first.
    private void Note(int chunk, string tensor)
    {
        lock (_gate)
        {
            if (_nonFinite is not { } found || chunk < found.Chunk)
                _nonFinite = (chunk, tensor);
        }
    }
}
