namespace Cairn.Formats.Torch;

/// <summary>The ways in which a file of PyTorch can be bad, or of a kind that is not read.</summary>
internal enum TorchFault
{
    /// <summary>The file is neither a zip archive of PyTorch nor a file of its older format.</summary>
    NotTorch,
    /// <summary>The file ended while it was being read, or a length in it reaches past its end.</summary>
    Truncated,
    /// <summary>The archive has no good end record: it was cut, or is no zip archive.</summary>
    EndRecord,
    /// <summary>Bytes that belong to nothing: before the archive, after it or between its records.</summary>
    StrayBytes,
    /// <summary>The archive's directory is malformed.</summary>
    Directory,
    /// <summary>A record's header contradicts the archive's directory.</summary>
    RecordHeader,
    /// <summary>Two records overlap, or one overlaps the directory.</summary>
    OverlappingRecords,
    /// <summary>A record is compressed; PyTorch stores its records.</summary>
    CompressedRecord,
    /// <summary>A record is encrypted.</summary>
    EncryptedRecord,
    /// <summary>A record's name leads out of the archive's folder, or is no good name.</summary>
    RecordName,
    /// <summary>A name stands twice, up to case.</summary>
    DuplicateRecord,
    /// <summary>A record that must be there is missing.</summary>
    MissingRecord,
    /// <summary>A record's checksum is wrong.</summary>
    Checksum,
    /// <summary>The format's version is not one that is known.</summary>
    Version,
    /// <summary>The file was saved on a big-endian machine.</summary>
    BigEndian,
    /// <summary>The file is a TorchScript program, not saved values.</summary>
    TorchScript,
    /// <summary>The file has the tar format of PyTorch before 0.1.10.</summary>
    Tar,
    /// <summary>The pickle uses an opcode that does not exist, or that is not read.</summary>
    Opcode,
    /// <summary>The pickle takes from an empty stack, or reads a memo that was never written, or ends with values left over.</summary>
    Stack,
    /// <summary>A value in the pickle is malformed or of the wrong kind.</summary>
    Value,
    /// <summary>A text in the pickle is not UTF-8.</summary>
    NotText,
    /// <summary>The values are nested too deeply.</summary>
    TooDeep,
    /// <summary>Values shared again and again stand for far more than the file holds.</summary>
    TooLarge,
    /// <summary>A value contains itself.</summary>
    Cycle,
    /// <summary>A reference to a storage is malformed, or two contradict each other.</summary>
    StorageReference,
    /// <summary>A storage's size differs from the size of its record.</summary>
    StorageSize,
    /// <summary>A tensor reaches outside its storage, or its shape and strides are malformed.</summary>
    TensorBounds,
    /// <summary>A kind of tensor or array that is not read, such as quantized ones.</summary>
    UnsupportedTensor,
}
