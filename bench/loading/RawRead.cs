using Cairn.TorchSharp;
using Microsoft.Win32.SafeHandles;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.Loading;

/// <summary>What the page cache can do by itself: the bytes of files, each from its beginning, into the memory of a module's tensors, by all processors.</summary>
internal static unsafe class RawRead
{
    private const int Block = 4 << 20;

    public static void Into(nn.Module module, IReadOnlyList<string> paths)
    {
        var files = new Queue<(SafeFileHandle Handle, long Length)>(paths.Select(static path => File.OpenHandle(path)).Select(static handle => (handle, RandomAccess.GetLength(handle))));
        SafeFileHandle[] open = [.. files.Select(static file => file.Handle)];
        var blocks = new List<(nint Address, int Length, SafeFileHandle File, long Offset)>();
        long at = 0;
        foreach ((_, Parameter parameter) in module.named_parameters())
        {
            nint address = AddressOf(parameter);
            for (long left = parameter.numel() * parameter.ElementSize; left > 0;)
            {
                if (at == files.Peek().Length)
                {
                    files.Dequeue();
                    at = 0;
                }
                int length = (int)Math.Min(Math.Min(Block, left), files.Peek().Length - at);
                blocks.Add((address, length, files.Peek().Handle, at));
                (address, left, at) = (address + length, left - length, at + length);
            }
        }
        Parallel.ForEach(blocks, static block =>
        {
            for (int done = 0; done < block.Length;)
                done += Math.Max(1, RandomAccess.Read(block.File, new Span<byte>((byte*)block.Address + done, block.Length - done), block.Offset + done));
        });
        foreach (SafeFileHandle file in open)
            file.Dispose();
    }

    private static nint AddressOf(Tensor tensor)
    {
        new TorchTensor(tensor).TryGetSpan(0, 1, out ReadOnlySpan<byte> first);
        fixed (byte* address = first)
            return (nint)address;
    }
}
