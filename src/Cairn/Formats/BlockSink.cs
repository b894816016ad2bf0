using Cairn.State;

namespace Cairn.Formats;

/// <summary>
/// Takes the next bytes of a file that is being written, in file order. Bytes of a tensor come with its type and name and in
/// blocks that start at an element, so that one pass can write, hash and look for non-finite values.
/// </summary>
/// <param name="bytes">The bytes; valid only during the call.</param>
/// <param name="type">Element type of the tensor that the bytes belong to; <see langword="null"/> for headers and JSON.</param>
/// <param name="tensorName">The tensor's name in the file; <see langword="null"/> for headers and JSON.</param>
public delegate void BlockSink(ReadOnlySpan<byte> bytes, TensorType? type, string? tensorName);
