using Cairn.Formats;
using Cairn.Formats.Safetensors;

namespace Cairn.Layouts;

/// <summary>A file of a checkpoint, planned to the byte. It refers to the state's tensors and reads them when it is written.</summary>
public sealed class PlannedFile
{
    private readonly ReadOnlyMemory<byte> _json;
    private readonly SafetensorsWriter? _safetensors;

    internal PlannedFile(string part, string name, ReadOnlyMemory<byte> json) => (Part, Name, _json, Length, Tensors) = (part, name, json, json.Length, []);

    internal PlannedFile(string part, string name, SafetensorsWriter safetensors) =>
        (Part, Name, _safetensors, Length, Tensors) = (part, name, safetensors, safetensors.Length, safetensors.Tensors);

    /// <summary>The part of the state that it holds.</summary>
    public string Part { get; }
    /// <summary>Its name in the checkpoint's folder.</summary>
    public string Name { get; }
    /// <summary>Its bytes.</summary>
    public long Length { get; }
    /// <summary>Its tensors in file order, each with its offset in the file.</summary>
    public IReadOnlyList<TensorPlacement> Tensors { get; }

    /// <summary>Gives the file's bytes to a sink, from first to last, in blocks of at most 8 MiB. May be called again; the bytes are equal while the tensors are.</summary>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    public void WriteTo(BlockSink sink)
    {
        if (_safetensors is not null)
        {
            _safetensors.WriteTo(sink);
            return;
        }
        for (int start = 0; start < _json.Length; start += SafetensorsWriter.BlockLength)
            sink(_json.Span.Slice(start, Math.Min(SafetensorsWriter.BlockLength, _json.Length - start)), null, null);
    }
}
