using System.Collections.Concurrent;
using Amazon.S3.Model;
using Cairn.Stores;

namespace Cairn.S3;

/// <summary>
/// An object that is uploaded in parts while it is written. A block that is a whole part is sent from the caller's memory; where a part has several blocks, they are gathered, and
/// the caller who brings the last of them sends it. Memory is bounded by the parts that have some of their blocks: blocks that come nearly in order, as the library writes them, need few.
/// </summary>
internal sealed class PartsWriter : IStoreWriter
{
    private readonly S3Uploads _uploads;
    private readonly string _path, _upload, _write;
    private readonly long _length;
    private readonly int _partBytes;
    private readonly PartETag?[] _parts;
    private readonly ConcurrentDictionary<int, PartInWork> _inWork = [];
    private bool _isComplete;

    private PartsWriter(S3Uploads uploads, string path, string upload, string write, long length, int partBytes)
    {
        (_uploads, _path, _upload, _write, _length, _partBytes) = (uploads, path, upload, write, length, partBytes);
        _parts = new PartETag?[(length + partBytes - 1) / partBytes];
    }

    /// <summary>Begins an object.</summary>
    public static async ValueTask<PartsWriter> BeginAsync(S3Uploads uploads, string path, long length, int partBytes, CancellationToken cancellationToken)
    {
        string write = Guid.NewGuid().ToString("N");
        return new PartsWriter(uploads, path, await uploads.BeginAsync(path, write, cancellationToken).ConfigureAwait(false), write, length, partBytes);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        if (offset < 0 || offset + bytes.Length > _length)
            throw new ArgumentOutOfRangeException(nameof(offset), $"The block from {offset} to {offset + bytes.Length} is not within the object's {_length} bytes.");
        while (!bytes.IsEmpty)
        {
            int part = (int)(offset / _partBytes), within = (int)(offset % _partBytes), ofPart = (int)Math.Min(_partBytes, _length - (long)part * _partBytes);
            int count = Math.Min(bytes.Length, ofPart - within);
            if (count == ofPart)
                await SendAsync(part, bytes[..count], cancellationToken).ConfigureAwait(false);
            else
                await GatherAsync(part, within, ofPart, bytes[..count], cancellationToken).ConfigureAwait(false);
            offset += count;
            bytes = bytes[count..];
        }
    }

    public async ValueTask CompleteAsync(CancellationToken cancellationToken = default)
    {
        int missing = Array.IndexOf(_parts, null);
        if (missing >= 0)
            throw new InvalidOperationException($"'{_path}' is not all written: bytes from {(long)missing * _partBytes} on are missing.");
        await _uploads.CompleteAsync(_path, _upload, _write, _length, [.. _parts.Select(static part => part!)], cancellationToken).ConfigureAwait(false);
        _isComplete = true;
    }

    public async ValueTask DisposeAsync()
    {
        _inWork.Clear();
        if (_isComplete)
            return;
        await _uploads.TryAbortAsync(_path, _upload).ConfigureAwait(false);
    }

    private async ValueTask GatherAsync(int part, int within, int ofPart, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        PartInWork gathered = _inWork.GetOrAdd(part, static (_, length) => new PartInWork(length), ofPart);
        if (!gathered.IsFullWith(within, bytes.Span))
            return;
        await SendAsync(part, gathered.Bytes, cancellationToken).ConfigureAwait(false);
        _inWork.TryRemove(part, out _);
    }

    private async ValueTask SendAsync(int part, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        _parts[part] = await _uploads.UploadAsync(_path, _upload, part + 1, bytes, cancellationToken).ConfigureAwait(false);

    private sealed class PartInWork(int length)
    {
        private readonly Lazy<byte[]> _bytes = new(() => GC.AllocateUninitializedArray<byte>(length));
        private int _filled;

        public ReadOnlyMemory<byte> Bytes => _bytes.Value;

        public bool IsFullWith(int offset, ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_bytes.Value.AsSpan(offset));
            return Interlocked.Add(ref _filled, bytes.Length) == length;
        }
    }
}
