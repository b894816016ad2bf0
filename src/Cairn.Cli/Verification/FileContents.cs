using System.Buffers;
using Cairn.Formats.Torch;
using Cairn.Storage;

namespace Cairn.Cli.Verification;

/// <summary>Reads files of other programs to their end, and compares what checksums they carry.</summary>
internal sealed class FileContents(IFileSystem files)
{
    private const int BlockBytes = 4 << 20;

    private readonly SortedSet<string> _unchecked = new(StringComparer.Ordinal);

    /// <summary>Files whose checksums were compared.</summary>
    public int Checksums { get; private set; }
    /// <summary>What could not be checked, each with the reason.</summary>
    public IEnumerable<string> Unchecked => _unchecked;

    /// <summary>Reads a file.</summary>
    /// <exception cref="CorruptCheckpointException">A checksum is wrong, or the file is not of its format.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Verify(string path, CancellationToken cancellationToken)
    {
        if (path.EndsWith(".distcp", StringComparison.Ordinal))
            _unchecked.Add("values in .distcp files: each is a sequence of small archives whose checksums are not compared");
        else if (IsZip(path))
        {
            VerifyTorch(path, cancellationToken);
            return;
        }
        else
        {
            _unchecked.Add(Path.GetExtension(path) switch
            {
                ".safetensors" => "values in .safetensors files: the format has no checksums",
                ".pt" or ".pth" or ".bin" or ".ckpt" => "values in PyTorch's older files: the format has no checksums",
                _ => "other files: they have no checksums",
            });
        }
        ReadAll(path, cancellationToken);
    }

    private void VerifyTorch(string path, CancellationToken cancellationToken)
    {
        // Objects of a program's own, such as its arguments, are no fault.
        using TorchFile file = TorchFile.Open(files, path, new TorchReadOptions { AllowOpaque = true });
        file.Verify(cancellationToken);
        if (file.HasChecksums)
            Checksums++;
        else
            _unchecked.Add("values in PyTorch's files that were saved without checksums");
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
