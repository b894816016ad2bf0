using System.Runtime.ExceptionServices;
using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>
/// Reads tensors into existing ones, in their order, with all processors: one alone copies at a fraction of what the memory can do, whether the tensors are few and large or many and small.
/// Dense CPU tensors are written where they lie, without a copy between; others some rows at a time, after them.
/// </summary>
internal sealed unsafe class TensorFilling
{
    // Larger pieces would leave a processor idle at the end, smaller ones cost calls.
    private const int Piece = 4 << 20;

    private readonly (torch.Tensor Destination, StateTensor Source)[] _tensors;
    private readonly nint?[] _places;
    private readonly bool[] _begun;
    // Where each unit of work begins: a piece of a large tensor, or several small tensors.
    private readonly List<(int Tensor, long Offset)> _units = [];
    private int _next = -1;

    /// <summary>Looks where everything goes. Nothing is written.</summary>
    /// <exception cref="CheckpointException">A type or a shape differs.</exception>
    public TensorFilling(IReadOnlyList<(torch.Tensor Destination, StateTensor Source)> tensors)
    {
        _tensors = [.. tensors];
        // Tensors are asked on one thread: the scopes in which TorchSharp disposes them are a thread's own.
        _places = [.. _tensors.Select(tensor => TorchTensor.PlaceFor(tensor.Destination, tensor.Source))];
        _begun = new bool[_tensors.Length];
        long inUnit = Piece;
        for (int i = 0; i < _tensors.Length; i++)
        {
            long length = _places[i] is null ? 0 : _tensors[i].Source.ByteLength;
            for (long offset = 0; offset < length; offset += Piece)
            {
                long part = Math.Min(Piece, length - offset);
                if (inUnit + part > Piece)
                {
                    _units.Add((i, offset));
                    inUnit = 0;
                }
                inUnit += part;
            }
        }
    }

    /// <summary>Tensors into which something may have been written.</summary>
    public int Begun => _begun.Count(begun => begun);

    /// <summary>Reads everything, once.</summary>
    /// <exception cref="CheckpointException">A source could not be read; some tensors are written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; some tensors are written.</exception>
    public void Run(CancellationToken cancellationToken = default)
    {
        int workers = Math.Min(Environment.ProcessorCount, _units.Count);
        if (workers <= 1)
            Work(cancellationToken);
        else
            InParallel(workers, cancellationToken);
        for (int i = 0; i < _tensors.Length; i++)
        {
            if (_places[i] is not null)
                continue;
            cancellationToken.ThrowIfCancellationRequested();
            _begun[i] = true;
            RowCopy.Write(_tensors[i].Destination, _tensors[i].Source);
        }
        GC.KeepAlive(_tensors);
    }

    private void InParallel(int workers, CancellationToken cancellationToken)
    {
        try
        {
            Parallel.For(0, workers, _ =>
            {
                try
                {
                    Work(cancellationToken);
                }
                catch
                {
                    // The others end with what they have begun.
                    Volatile.Write(ref _next, _units.Count);
                    throw;
                }
            });
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    private void Work(CancellationToken cancellationToken)
    {
        while (Interlocked.Increment(ref _next) is var unit && unit < _units.Count)
        {
            (int tensor, long offset) = _units[unit];
            (int lastTensor, long lastOffset) = unit + 1 < _units.Count ? _units[unit + 1] : (_tensors.Length, 0);
            for (; tensor < lastTensor || (tensor == lastTensor && offset < lastOffset); tensor++, offset = 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Fill(tensor, offset, tensor == lastTensor ? lastOffset : long.MaxValue);
            }
        }
    }

    // To the end of the piece, or of the tensor.
    private void Fill(int index, long offset, long end)
    {
        if (_places[index] is not { } place)
            return;
        StateTensor source = _tensors[index].Source;
        int length = (int)Math.Min(Math.Min(end, source.ByteLength) - offset, Piece);
        if (length == 0)
            return;
        _begun[index] = true;
        source.CopyTo(offset, new Span<byte>((byte*)place + offset, length));
    }
}
