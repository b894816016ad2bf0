using Microsoft.Win32.SafeHandles;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.Loading;

/// <summary>What the page cache can do by itself: the bytes of a file, from its beginning, into the memory of a module's tensors, by all processors.</summary>
internal static unsafe class RawRead
{
    private const int Block = 4 << 20;

    public static void Into(nn.Module module, string path)
    {
        var blocks = new List<(nint Address, int Length, long Offset)>();
        long at = 0;
        foreach ((_, Parameter parameter) in module.named_parameters())
        {
            fixed (byte* address = parameter.bytes)
            {
                long length = parameter.bytes.Length;
                for (long start = 0; start < length; start += Block)
                    blocks.Add(((nint)(address + start), (int)Math.Min(Block, length - start), at + start));
                at += length;
            }
        }
        using SafeFileHandle handle = File.OpenHandle(path);
        Parallel.ForEach(blocks, block =>
        {
            for (int done = 0; done < block.Length;)
                done += Math.Max(1, RandomAccess.Read(handle, new Span<byte>((byte*)block.Address + done, block.Length - done), block.Offset + done));
        });
    }
}
