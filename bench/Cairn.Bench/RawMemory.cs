using System.Buffers;
using System.Runtime.InteropServices;

namespace Cairn.Bench;

/// <summary>Memory of any size that begins at a page, touched and full of finite float32 that do not compress.</summary>
internal sealed unsafe partial class RawMemory : IDisposable
{
    private const int Alignment = 2 << 20, HugePages = 14;

    private readonly byte* _start;

    /// <param name="bytes">Its length, which is rounded up to whole pages.</param>
    /// <param name="seed">Draws the values.</param>
    public RawMemory(long bytes, int seed = 1)
    {
        Bytes = RawDisk.RoundUp(bytes);
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, Alignment);
        // Direct I/O holds each page while the disk works on it, which is less work for huge ones.
        _ = madvise(_start, (nuint)Bytes, HugePages);
        var random = new Random(seed);
        for (long at = 0; at < Bytes; at += RawDisk.Block)
        {
            Span<byte> block = Slice(at, RawDisk.Block).Span;
            random.NextBytes(block);
            foreach (ref uint value in MemoryMarshal.Cast<byte, uint>(block))
                value &= 0xBFFF_FFFF;
        }
    }

    public long Bytes { get; }

    /// <summary>A part.</summary>
    public Span<byte> Span(long offset, int length) => new(_start + offset, length);

    /// <summary>A part, shorter than asked for at the end.</summary>
    public Memory<byte> Slice(long offset, int length) => new Part(_start + offset, (int)Math.Min(length, Bytes - offset)).Memory;

    /// <summary>A part as a stream, shorter than asked for at the end.</summary>
    public Stream Open(long offset, long length) => new UnmanagedMemoryStream(_start + offset, Math.Min(length, Bytes - offset));

    /// <summary>Copies all of it, as several threads do it best.</summary>
    public void CopyTo(RawMemory other, int threads)
    {
        const int Chunk = 4 << 20;
        Parallel.For(0, (Bytes + Chunk - 1) / Chunk, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => Slice(i * Chunk, Chunk).CopyTo(other.Slice(i * Chunk, Chunk)));
    }

    public void Dispose() => NativeMemory.AlignedFree(_start);

#pragma warning disable IDE1006 // Names of the C library.
    [LibraryImport("libc")]
    private static partial int madvise(byte* start, nuint length, int advice);
#pragma warning restore IDE1006

    private sealed class Part(byte* start, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => new(start, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(start + elementIndex);

        public override void Unpin() { }

        protected override void Dispose(bool disposing) { }
    }
}
