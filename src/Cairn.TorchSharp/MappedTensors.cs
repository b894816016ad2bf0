using Cairn.Formats;
using Cairn.State;
using Cairn.Stores;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>Tensors of a module that are to take their bytes from files that are mapped into memory. Nothing of the module changes until all are there.</summary>
internal sealed class MappedTensors : IDisposable
{
    // By the tensors' file, which all of one file have in common.
    private readonly Dictionary<IReadableFile, PrivateMapping?> _files = new(ReferenceEqualityComparer.Instance);
    private readonly List<(IReadOnlyList<torch.Tensor> Own, torch.Tensor Mapped)> _tensors = [];

    /// <summary>Bytes that are mapped.</summary>
    public long Bytes { get; private set; }

    /// <summary>Maps what is to be in a tensor of the module, where that can be.</summary>
    /// <param name="own">The tensor, under each of its names.</param>
    /// <param name="source">The bytes.</param>
    /// <returns>Whether it is mapped; otherwise it must be read.</returns>
    public bool TryAdd(IReadOnlyList<torch.Tensor> own, StateTensor source)
    {
        if (source is not IFileTensor { Place: { } place } || source.ByteLength == 0 || own.Any(static tensor => tensor.device_type != DeviceType.CPU || !tensor.is_contiguous()))
            return false;
        if (!_files.TryGetValue(place.File, out PrivateMapping? mapping))
            _files.Add(place.File, mapping = (place.File as IMappableFile)?.Map());
        if (mapping is null)
            return false;
        nint address = checked((nint)(mapping.Start + place.Offset));
        // Processors read other addresses more slowly, and libtorch does not expect them.
        if (address % own[0].ElementSize != 0 || MappedMemory.TensorAt(mapping, address, source.Type, [.. source.Shape]) is not { } mapped)
            return false;
        _tensors.Add((own, mapped.DetachFromDisposeScope()));
        Bytes += source.ByteLength;
        return true;
    }

    /// <summary>Gives the tensors of the module their new memory. What they had is freed when nobody else uses it.</summary>
    public void Apply()
    {
        using IDisposable quiet = torch.no_grad();
        foreach ((IReadOnlyList<torch.Tensor> own, torch.Tensor mapped) in _tensors)
        {
            foreach (torch.Tensor tensor in own)
                tensor.set_(mapped);
        }
    }

    /// <summary>Lets go of what the module has, and of what it did not get.</summary>
    public void Dispose()
    {
        foreach ((_, torch.Tensor mapped) in _tensors)
            mapped.Dispose();
        foreach (PrivateMapping? mapping in _files.Values)
            mapping?.Release();
    }
}
