using System.Runtime.ExceptionServices;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Capture;

/// <summary>
/// Copies live state into staging memory. Training waits for this and for nothing else, so the copy runs on all processors in
/// chunks, and what it needs is kept from one capture to the next. The tensors of a part lie as they do in a safetensors file, from the beginning of a page on: by element size,
/// largest first, without gaps. So the file is written from where they lie. One capture at a time; called on the training thread.
/// </summary>
internal sealed class StateCapture
{
    private const int ChunkBytes = 4 << 20;
    private const long SingleThreadBelow = 1L << 20;

    private static readonly Comparison<(StateTensor, int)> BySize = CompareSizes;

    private readonly StagingPool _pool;
    private readonly ParallelOptions _parallel = new() { MaxDegreeOfParallelism = Environment.ProcessorCount };
    private readonly Dictionary<StateTensor, long> _starts = new(ReferenceEqualityComparer.Instance);
    private readonly StagedTrees _trees = new();
    private readonly List<(StateTensor Tensor, int Index)> _ofPart = [];
    private readonly List<Chunk> _chunks = [];
    private readonly Action<int, ParallelLoopState> _copyChunk;
    private StagingBuffer? _buffer;
    private long _end, _total;

    /// <summary>A capture into the memory of this pool.</summary>
    public StateCapture(StagingPool pool)
    {
        ArgumentNullException.ThrowIfNull(pool);
        _pool = pool;
        _copyChunk = (i, _) => Copy(i);
    }

    /// <summary>Copies the state. Waits while an earlier capture has not been disposed. The live state may change as soon as this returns.</summary>
    /// <exception cref="CheckpointException">There is no memory for the copy, or a tensor could not be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled while waiting for the memory.</exception>
    public CapturedState Capture(IReadOnlyList<(string Name, StateMap Live)> parts, CancellationToken cancellationToken = default) => Capture(parts, overlap: false, cancellationToken);

    /// <summary>As <see cref="Capture(IReadOnlyList{ValueTuple{string, StateMap}}, CancellationToken)"/>, but tensors that change in the update alone are still being copied when this returns (<see cref="CapturedState.Overlapped"/>).</summary>
    /// <exception cref="CheckpointException">There is no memory for the copy, or a tensor could not be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled while waiting for the memory.</exception>
    public CapturedState CaptureOverlapped(IReadOnlyList<(string Name, StateMap Live)> parts, CancellationToken cancellationToken = default) => Capture(parts, overlap: true, cancellationToken);

    private CapturedState Capture(IReadOnlyList<(string Name, StateMap Live)> parts, bool overlap, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parts);
        try
        {
            Plan(parts);
            return Fill(_pool.Rent(_end, cancellationToken), parts, overlap);
        }
        finally
        {
            Forget();
        }
    }

    /// <summary>As <see cref="Capture(IReadOnlyList{ValueTuple{string, StateMap}}, CancellationToken)"/>, but gives <see langword="null"/> when an earlier capture has not been disposed.</summary>
    /// <exception cref="CheckpointException">There is no memory for the copy, or a tensor could not be read.</exception>
    public CapturedState? TryCapture(IReadOnlyList<(string Name, StateMap Live)> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        try
        {
            Plan(parts);
            return _pool.TryRent(_end) is { } buffer ? Fill(buffer, parts, overlap: false) : null;
        }
        finally
        {
            Forget();
        }
    }

    /// <summary>Bytes of staging memory that a capture of these parts takes, for <see cref="StagingPool.PreTouch"/>.</summary>
    public long RequiredBytes(IReadOnlyList<(string Name, StateMap Live)> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        try
        {
            Plan(parts);
            return _end;
        }
        finally
        {
            Forget();
        }
    }

    private void Plan(IReadOnlyList<(string Name, StateMap Live)> parts)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            _ofPart.Clear();
            Collect(parts[i].Live);
            // Most parts are of one type, and in order already.
            if (!IsInOrder())
                _ofPart.Sort(BySize);
            foreach ((StateTensor tensor, _) in _ofPart)
                Place(tensor);
            _end = AlignedMemory.RoundUp(_end);
        }
        _ofPart.Clear();
    }

    private bool IsInOrder()
    {
        for (int i = 1; i < _ofPart.Count; i++)
        {
            if (CompareSizes(_ofPart[i - 1], _ofPart[i]) > 0)
                return false;
        }
        return true;
    }

    // Stable, which List.Sort by itself is not.
    private static int CompareSizes((StateTensor Tensor, int Index) one, (StateTensor Tensor, int Index) other) =>
        other.Tensor.Type.BitsPerElement().CompareTo(one.Tensor.Type.BitsPerElement()) is not 0 and var bySize ? bySize : one.Index.CompareTo(other.Index);

    private void Collect(StateNode node)
    {
        switch (node)
        {
            case StateMap map:
                for (int i = 0; i < map.Count; i++)
                    Collect(map.At(i).Value);
                break;
            case StateList list:
                for (int i = 0; i < list.Count; i++)
                    Collect(list[i]);
                break;
            case StateTensor tensor when _starts.TryAdd(tensor, 0):
                _ofPart.Add((tensor, _ofPart.Count));
                break;
        }
    }

    private void Place(StateTensor tensor)
    {
        _starts[tensor] = _end;
        for (long offset = 0; offset < tensor.ByteLength; offset += ChunkBytes)
            _chunks.Add(new Chunk(tensor, offset, _end + offset, (int)Math.Min(ChunkBytes, tensor.ByteLength - offset)));
        _total += tensor.ByteLength;
        _end = checked(_end + tensor.ByteLength);
    }

    private CapturedState Fill(StagingBuffer buffer, IReadOnlyList<(string Name, StateMap Live)> parts, bool overlap)
    {
        try
        {
            _buffer = buffer;
            Chunk[] later = overlap ? [.. _chunks.Where(static chunk => chunk.Live.ChangesOnlyInUpdate)] : [];
            long bytes = _total;
            if (overlap)
            {
                _chunks.RemoveAll(static chunk => chunk.Live.ChangesOnlyInUpdate);
                bytes = _chunks.Sum(static chunk => (long)chunk.Length);
            }
            if (bytes < SingleThreadBelow)
            {
                for (int i = 0; i < _chunks.Count; i++)
                    Copy(i);
            }
            else
            {
                CopyInParallel();
            }
            CapturedPart[] copies = _trees.Of(parts, buffer, _starts);
            // Last, when nothing can fail any more: the memory is not given back while it is written.
            OverlappedCopy? overlapped = overlap ? OverlappedCopy.Begin(later.Select(static chunk => chunk.Live).Distinct(), later.Length, i => later[i].CopyTo(buffer)) : null;
            return new CapturedState(buffer, copies, _total, overlapped);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    private void CopyInParallel()
    {
        try
        {
            Parallel.For(0, _chunks.Count, _parallel, _copyChunk);
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    private void Copy(int index) => _chunks[index].CopyTo(_buffer!);

    /// <summary>Lets go of the live tensors, but keeps the room in the lists.</summary>
    private void Forget()
    {
        _starts.Clear();
        _chunks.Clear();
        _buffer = null;
        _end = _total = 0;
    }

    private readonly record struct Chunk(StateTensor Live, long Offset, long Start, int Length)
    {
        public void CopyTo(StagingBuffer buffer) => Live.CopyTo(Offset, buffer.Span(Start, Length));
    }
}
