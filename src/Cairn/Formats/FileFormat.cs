namespace Cairn.Formats;

/// <summary>What a file is, as its bytes say.</summary>
internal enum FileFormat
{
    /// <summary>None of the others.</summary>
    Unknown,
    /// <summary>A safetensors file, or the beginning of one.</summary>
    Safetensors,
    /// <summary>A zip archive as <c>torch.save</c> writes it since PyTorch 1.6, or the beginning of one.</summary>
    TorchZip,
    /// <summary>A file of <c>torch.save</c> before PyTorch 1.6.</summary>
    TorchLegacy,
    /// <summary>A file of <c>torch.save</c>, packed with gzip.</summary>
    TorchGzip,
    /// <summary>A plain pickle, as <c>pickle.dump</c> writes it.</summary>
    Pickle,
    /// <summary>A text that stands for a file that was not fetched: of Git LFS, git-annex or Xet.</summary>
    Pointer,
    /// <summary>A web page, or an answer of a server in XML.</summary>
    Page,
    /// <summary>JSON.</summary>
    Json,
    /// <summary>Another text.</summary>
    Text,
    /// <summary>No byte at all.</summary>
    Empty,
    /// <summary>Zeros only, as far as was looked.</summary>
    Zeros,
    /// <summary>A known kind of file that holds no state that is read: an archive, a picture, a model of another kind.</summary>
    Other,
}
