using System.Buffers;
using Cairn.Cli.Listing;
using Cairn.Formats;
using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.Inspection;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Cli.Verification;

/// <summary>Reads files of other programs to their end, and compares what checksums they carry. Files may be read from several threads at once.</summary>
internal sealed class FileContents(IFileSource files)
{
    private const int BlockBytes = 4 << 20;

    private readonly Lock _finding = new();
    private readonly SortedSet<string> _unchecked = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, IReadOnlyList<UnreadValue>> _unread = new(StringComparer.Ordinal);
    private int _checksums, _tensors;

    /// <summary>Files whose checksums were compared.</summary>
    public int Checksums => _checksums;
    /// <summary>What could not be checked, each with the reason.</summary>
    public IEnumerable<string> Unchecked => _unchecked;
    /// <summary>Tensors in files that hold values which are not read.</summary>
    public int TensorsBesideUnread => _tensors;
    /// <summary>Values that are not read, by file.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<UnreadValue>> Unread => _unread;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mustBeState">Whether it must hold state, whatever its name: it was given by itself. In a folder, names tell which files must.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="CorruptCheckpointException">A checksum is wrong, or the file is not what it must be.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Verify(string path, bool mustBeState, CancellationToken cancellationToken)
    {
        FileSignature signature = Look(path);
        mustBeState |= FileEnds.ClaimsState(path);
        switch (signature.Kind)
        {
            case FileFormat.TorchLegacy:
            case FileFormat.TorchGzip:
            case FileFormat.TorchZip when mustBeState || !path.EndsWith(".zip", StringComparison.Ordinal):
                VerifyTorch(path, cancellationToken);
                return;
            case FileFormat.Pickle when mustBeState:
                VerifyPickle(path);
                Leave("values in pickles: the format has no checksums");
                break;
            // A broken header says more about itself than its signature.
            case FileFormat.Safetensors:
            case FileFormat.Unknown when path.EndsWith(FileEnds.Safetensors, StringComparison.Ordinal):
                using (IReadableFile file = files.OpenRead(path))
                    _ = SafetensorsHeader.Read(file, path);
                Leave("values in .safetensors files: the format has no checksums");
                break;
            default:
                if (mustBeState || signature.Kind == FileFormat.Pointer || !IsAsNamed(path, signature))
                    throw new CorruptCheckpointException($"it is {signature.What}. {signature.Advice}") { Path = path };
                Leave("other files: they have no checksums");
                break;
        }
        ReadAll(path, cancellationToken);
    }

    /// <summary>Reads a distributed checkpoint.</summary>
    /// <inheritdoc cref="Verify(string, bool, CancellationToken)" path="/exception"/>
    public void VerifyDistributed(string folder, CancellationToken cancellationToken)
    {
        using DistributedCheckpoint checkpoint = DistributedCheckpoint.Open(files, folder);
        if (checkpoint.Verify(cancellationToken))
            Interlocked.Increment(ref _checksums);
        else
            Leave("values in some .distcp files: they were written without checksums");
    }

    private FileSignature Look(string path)
    {
        using IReadableFile file = files.OpenRead(path);
        return FileSignature.Of(file);
    }

    // A configuration that is a web page, or was cut, is as bad as weights that are.
    private bool IsAsNamed(string path, FileSignature signature)
    {
        if (!path.EndsWith(".json", StringComparison.Ordinal) || signature.Kind == FileFormat.Text)
            return true;
        if (signature.Kind != FileFormat.Json)
            return false;
        using IReadableFile file = files.OpenRead(path);
        byte[] bytes = new byte[Math.Min(64, file.Length)];
        ReadOnlySpan<byte> end = bytes.AsSpan(0, file.Read(file.Length - bytes.Length, bytes)).TrimEnd(" \t\r\n"u8);
        return end is [.., (byte)'}' or (byte)']'] ? true : throw new CorruptCheckpointException("the JSON ends early: the file was cut. Fetch or save it again.") { Path = path };
    }

    private void VerifyTorch(string path, CancellationToken cancellationToken)
    {
        bool hasChecksums;
        try
        {
            // Objects of a program's own, such as its arguments, are no fault.
            using TorchFile file = TorchFile.Open(files, path, new TorchReadOptions { AllowOpaque = true });
            Keep(path, file.Root);
            file.ReleaseRoot();
            file.Verify(cancellationToken);
            hasChecksums = file.HasChecksums;
        }
        catch (CorruptTorchFileException e) when (e.IsUnsupported)
        {
            // Of a kind that is not read: whether its records are whole can be said all the same.
            using IReadableFile file = files.OpenRead(path);
            hasChecksums = TorchFile.VerifyRecords(file, path, cancellationToken);
            Keep(path, [new UnreadValue("", e.What)]);
        }
        if (hasChecksums)
            Interlocked.Increment(ref _checksums);
        else
            Leave("values in PyTorch's files that were saved without checksums, or before PyTorch 1.6");
    }

    private void VerifyPickle(string path)
    {
        using IReadableFile file = files.OpenRead(path);
        Keep(path, TorchFile.ReadPickle(file, path, new TorchReadOptions { AllowOpaque = true }));
    }

    private void Keep(string path, TorchValue root)
    {
        var unread = new List<UnreadValue>();
        StateNode state = TorchTree.ToState(root, unread);
        if (unread.Count == 0)
            return;
        Keep(path, unread);
        Interlocked.Add(ref _tensors, StateLeaves.Of(state).Count(leaf => leaf.Node is StateTensor));
    }

    private void Keep(string path, IReadOnlyList<UnreadValue> unread)
    {
        lock (_finding)
            _unread[path] = unread;
    }

    private void Leave(string what)
    {
        lock (_finding)
            _unchecked.Add(what);
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
