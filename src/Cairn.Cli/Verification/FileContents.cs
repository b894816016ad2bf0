using System.Buffers;
using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.Storage;

namespace Cairn.Cli.Verification;

/// <summary>Reads files of other programs to their end, and compares what checksums they carry. Files may be read from several threads at once.</summary>
internal sealed class FileContents(IFileSystem files)
{
    private const int BlockBytes = 4 << 20;

    private readonly SortedSet<string> _unchecked = new(StringComparer.Ordinal);
    private int _checksums;

    /// <summary>Files whose checksums were compared.</summary>
    public int Checksums => _checksums;
    /// <summary>What could not be checked, each with the reason.</summary>
    public IEnumerable<string> Unchecked => _unchecked;

    /// <summary>Reads a file.</summary>
    /// <exception cref="CorruptCheckpointException">A checksum is wrong, or the file is not of its format.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Verify(string path, CancellationToken cancellationToken)
    {
        if (IsZip(path))
        {
            VerifyTorch(path, cancellationToken);
            return;
        }
        CheckFormat(path);
        Leave(Path.GetExtension(path) switch
        {
            ".safetensors" => "values in .safetensors files: the format has no checksums",
            ".pt" or ".pth" or ".bin" or ".ckpt" => "values in PyTorch's older files: the format has no checksums",
            _ => "other files: they have no checksums",
        });
        ReadAll(path, cancellationToken);
    }

    /// <summary>Reads a distributed checkpoint.</summary>
    /// <inheritdoc cref="Verify(string, CancellationToken)" path="/exception"/>
    public void VerifyDistributed(string folder, CancellationToken cancellationToken)
    {
        using DistributedCheckpoint checkpoint = DistributedCheckpoint.Open(files, folder);
        if (checkpoint.Verify(cancellationToken))
            Interlocked.Increment(ref _checksums);
        else
            Leave("values in some .distcp files: they were written without checksums");
    }

    private void CheckFormat(string path)
    {
        switch (Path.GetExtension(path))
        {
            case ".safetensors":
                using (IReadableFile file = files.OpenRead(path))
                    _ = SafetensorsHeader.Read(file, path);
                break;
            case ".pt" or ".pth":
                TorchFile.Open(files, path, new TorchReadOptions { AllowOpaque = true }).Dispose();
                break;
        }
    }

    private void VerifyTorch(string path, CancellationToken cancellationToken)
    {
        // Objects of a program's own, such as its arguments, are no fault.
        using TorchFile file = TorchFile.Open(files, path, new TorchReadOptions { AllowOpaque = true });
        file.Verify(cancellationToken);
        if (file.HasChecksums)
            Interlocked.Increment(ref _checksums);
        else
            Leave("values in PyTorch's files that were saved without checksums");
    }

    private void Leave(string what)
    {
        lock (_unchecked)
            _unchecked.Add(what);
    }

    private bool IsZip(string path)
    {
        Span<byte> start = stackalloc byte[4];
        using IReadableFile file = files.OpenRead(path);
        return file.Read(0, start) == start.Length && start.SequenceEqual("PK\u0003\u0004"u8);
    }

    private void ReadAll(string path, CancellationToken cancellationToken)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            using IReadableFile file = files.OpenRead(path);
            for (long offset = 0; offset < file.Length;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int count = file.Read(offset, block.AsSpan(0, BlockBytes));
                if (count == 0)
                    throw new CorruptCheckpointException($"{path} ends after {offset} of {file.Length} bytes.") { Path = path };
                offset += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }
}
