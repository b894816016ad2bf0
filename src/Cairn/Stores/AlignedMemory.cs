using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Cairn.Stores;

/// <summary>
/// Blocks of native memory that begin at a page, as direct I/O wants them: huge ones where the system has them, because it has to hold each page while the disk reads it. Some
/// are kept for the next file, because never-touched memory is slow to write.
/// </summary>
internal sealed class AlignedMemory(int blockBytes)
{
    /// <summary>What offsets, lengths and addresses of direct I/O are multiples of: the largest sector that disks have.</summary>
    public const int Alignment = 4096;

    private const int HugePage = 2 << 20;
    private const int MostKept = 8;
    // The array pool keeps one for the thread that gave it back, and a save's threads end with it: a larger array would be a new one in each save, among the large objects.
    private const int LargestArray = 64 << 10;

    private readonly ConcurrentBag<Block> _free = [];

    /// <summary>The blocks of this process.</summary>
    public static AlignedMemory Shared { get; } = new(8 << 20);

    /// <summary>Bytes of each block.</summary>
    public int BlockBytes => blockBytes;

    /// <summary>Lends a block. Disposing what is given gives it back.</summary>
    public IMemoryOwner<byte> Rent() => new Loan(_free, _free.TryTake(out Block? block) ? block : new Block(blockBytes));

    /// <summary>Lends memory for the blocks of a file of this length: of a short one, just for that.</summary>
    public IMemoryOwner<byte> Rent(long length) => length <= LargestArray && length < blockBytes / 2 ? MemoryPool<byte>.Shared.Rent(Math.Max(1, (int)length)) : Rent();

    /// <summary>Makes memory of at least this many bytes that is freed when it is disposed: whole pages, of which huge ones are never-touched.</summary>
    public static IMemoryOwner<byte> Allocate(int length) => new Block(checked((int)RoundUp(Math.Max(1, length))));

    /// <summary>Rounds up to a multiple of <see cref="Alignment"/>.</summary>
    public static long RoundUp(long length) => checked(length + Alignment - 1) / Alignment * Alignment;

    /// <summary>Whether bytes lie in memory as direct I/O wants them.</summary>
    public static unsafe bool IsAligned(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
            return (nuint)start % Alignment == 0;
    }

    private sealed class Loan(ConcurrentBag<Block> free, Block block) : IMemoryOwner<byte>
    {
        private int _returned;

        public Memory<byte> Memory => Volatile.Read(ref _returned) == 0 ? block.Memory : throw new ObjectDisposedException(nameof(AlignedMemory));

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _returned, 1) != 0)
                return;
            if (free.Count < MostKept)
                free.Add(block);
            else
                ((IDisposable)block).Dispose();
        }
    }

    // Where nobody disposes it, its memory is freed when neither the pool nor a file that is being written knows it any more.
    private sealed unsafe class Block(int length) : MemoryManager<byte>
    {
        private readonly NativeBytes _bytes = new(length);

        public override Span<byte> GetSpan() => new((void*)_bytes.DangerousGetHandle(), length);

        public override MemoryHandle Pin(int elementIndex = 0) => new((byte*)_bytes.DangerousGetHandle() + elementIndex, default, this);

        public override void Unpin() { }

        protected override void Dispose(bool disposing) => _bytes.Dispose();
    }

    private sealed unsafe class NativeBytes : SafeHandle
    {
        public NativeBytes(int length) : base(0, ownsHandle: true)
        {
            void* start = NativeMemory.AlignedAlloc((nuint)length, (nuint)(length < HugePage ? Alignment : HugePage));
            if (OperatingSystem.IsLinux())
                UnixMemory.AdviseHugePages(start, (nuint)length);
            SetHandle((nint)start);
        }

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            NativeMemory.AlignedFree((void*)handle);
            return true;
        }
    }
}
