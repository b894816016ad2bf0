using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>
/// Copies between memory and a tensor that is not one stretch of CPU memory (strided, conjugated, on a device): some rows at a time, by way of blocks that are kept for the next time, and that are pinned for
/// a device, which then copies at its full speed. So there is never a second copy of the whole. From any thread.
/// </summary>
internal static unsafe class RowCopy
{
    private const int BlockBytes = 4 << 20;
    // Of each element type.
    private const int MostKept = 8;

    private static readonly ConcurrentDictionary<(torch.ScalarType, bool IsPinned), ConcurrentBag<torch.Tensor>> Kept = new();

    /// <summary>Copies bytes of the tensor as if it were dense and row-major, from an offset on.</summary>
    public static void Read(torch.Tensor tensor, long offset, Span<byte> destination)
    {
        using var block = new Block(tensor);
        while (!destination.IsEmpty)
        {
            using torch.Tensor rows = RowsAt(tensor, offset, destination.Length, out long before);
            using torch.Tensor dense = block.Like(rows);
            dense.copy_(rows);
            ReadOnlySpan<byte> bytes = block.Bytes(dense)[(int)before..];
            int taken = Math.Min(destination.Length, bytes.Length);
            bytes[..taken].CopyTo(destination);
            offset += taken;
            destination = destination[taken..];
        }
    }

    /// <summary>Fills all of the tensor.</summary>
    public static void Write(torch.Tensor tensor, StateTensor source)
    {
        using var block = new Block(tensor);
        for (long offset = 0; offset < source.ByteLength;)
        {
            using torch.Tensor rows = RowsAt(tensor, offset, source.ByteLength - offset, out _);
            using torch.Tensor dense = block.Like(rows);
            Span<byte> bytes = block.Bytes(dense);
            source.CopyTo(offset, bytes);
            rows.copy_(dense);
            offset += bytes.Length;
        }
    }

    // As many rows of the outermost dimension as fit into a block, from the one on that holds an offset; of a row that does not fit, its own rows.
    private static torch.Tensor RowsAt(torch.Tensor tensor, long offset, long length, out long before)
    {
        torch.Tensor part = tensor.detach();
        before = offset;
        while (part.dim() > 0)
        {
            long row = part.NumberOfElements / part.shape[0] * part.ElementSize;
            (long first, before) = Math.DivRem(before, row);
            using torch.Tensor whole = part;
            if (row <= BlockBytes)
                return whole.narrow(0, first, Math.Min(Math.Min(BlockBytes / row, (before + length + row - 1) / row), whole.shape[0] - first));
            part = whole.select(0, first);
        }
        return part;
    }

    /// <summary>A block of CPU memory for elements of one type, out of those that are kept.</summary>
    private sealed class Block : IDisposable
    {
        private readonly ConcurrentBag<torch.Tensor> _kept;
        private readonly torch.Tensor _memory;
        private readonly nint _address;

        public Block(torch.Tensor of)
        {
            bool isPinned = of.device_type == DeviceType.CUDA;
            _kept = Kept.GetOrAdd((of.dtype, isPinned), static _ => []);
            _memory = _kept.TryTake(out torch.Tensor? kept) ? kept : Make(BlockBytes / of.ElementSize, of.dtype, isPinned);
            _address = TorchTensor.AddressOf(_memory);
        }

        /// <summary>The block's beginning, as a dense tensor of the same shape.</summary>
        public torch.Tensor Like(torch.Tensor rows)
        {
            using torch.Tensor beginning = _memory.narrow(0, 0, rows.NumberOfElements);
            return beginning.view(rows.shape);
        }

        /// <summary>The bytes of such a tensor.</summary>
        public Span<byte> Bytes(torch.Tensor dense) => new((void*)_address, checked((int)(dense.NumberOfElements * dense.ElementSize)));

        public void Dispose()
        {
            if (_kept.Count < MostKept)
                _kept.Add(_memory);
            else
                _memory.Dispose();
        }

        // Of no scope of the program's: it is used again after that has ended.
        private static torch.Tensor Make(long elements, torch.ScalarType type, bool isPinned)
        {
            torch.Tensor made = torch.empty([elements], dtype: type, device: torch.CPU).DetachFromDisposeScope();
            if (!isPinned)
                return made;
            try
            {
                torch.Tensor pinned = made.pin_memory().DetachFromDisposeScope();
                made.Dispose();
                return pinned;
            }
            catch (ExternalException)
            {
                // No memory may be pinned here: slower, and as good.
                return made;
            }
        }
    }
}
