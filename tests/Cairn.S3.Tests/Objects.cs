using Cairn.Stores;

namespace Cairn.S3.Tests;

/// <summary>Whole objects of a store.</summary>
internal static class Objects
{
    /// <summary>Writes one as the library does, in blocks of 8 MiB.</summary>
    public static async Task WriteAsync(S3RunStore store, string path, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await using IStoreWriter writer = await store.CreateAsync(path, bytes.Length, cancellationToken);
        for (int at = 0; at < bytes.Length; at += S3Parts.BlockBytes)
            await writer.WriteAsync(at, bytes.Slice(at, Math.Min(S3Parts.BlockBytes, bytes.Length - at)), cancellationToken);
        await writer.CompleteAsync(cancellationToken);
    }

    /// <summary>Reads one.</summary>
    public static async Task<byte[]> ReadAsync(S3RunStore store, string path, CancellationToken cancellationToken)
    {
        await using IStoreReader reader = await store.OpenReadAsync(path, cancellationToken);
        byte[] bytes = new byte[reader.Length];
        (await reader.ReadAsync(0, bytes, cancellationToken)).ShouldBe(bytes.Length);
        return bytes;
    }
}
