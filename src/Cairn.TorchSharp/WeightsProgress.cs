namespace Cairn.TorchSharp;

/// <summary>How far the reading or writing of weights is.</summary>
/// <param name="Tensor">The tensor under way.</param>
/// <param name="BytesDone">Bytes that are read or written.</param>
/// <param name="BytesTotal">Bytes of all tensors.</param>
public readonly record struct WeightsProgress(string Tensor, long BytesDone, long BytesTotal);
