namespace Cairn.Formats.Torch.Pickle;

/// <content>Tensors, parameters and the storages that they look into.</content>
internal sealed partial class PickleWriter
{
    private void Tensor(TorchTensorValue tensor)
    {
        if (tensor.Attributes is not null)
            Refuse("a tensor with attributes of its own");
        if (tensor.IsParameter)
        {
            _out.Global("torch._utils", "_rebuild_parameter");
            View(tensor, requiresGrad: false);
            _out.Bool(tensor.RequiresGrad);
            EmptyOrderedDict();
            Call(PickleOpcode.Tuple3);
        }
        else
        {
            View(tensor, tensor.RequiresGrad);
        }
        Remember(tensor);
    }

    // torch/_utils.py: _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks); v3 takes a dtype too.
    private void View(TorchTensorValue tensor, bool requiresGrad)
    {
        StorageRecord record = _storages[tensor.Storage];
        _out.Global("torch._utils", record.IsUntyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
        _out.Op(PickleOpcode.Mark);
        Storage(record);
        _out.Int(tensor.Offset);
        Sizes(tensor.Data.Shape);
        Sizes(tensor.Strides);
        _out.Bool(requiresGrad);
        EmptyOrderedDict();
        if (record.IsUntyped)
            _out.Global("torch", TorchDtypes.NameOf(tensor.Data.Type)!);
        Call(PickleOpcode.Tuple);
    }

    // torch/serialization.py: the persistent id of a storage is ('storage', class, key, location, number of elements).
    private void Storage(StorageRecord record)
    {
        _out.Op(PickleOpcode.Mark);
        _out.Text("storage");
        if (record.IsUntyped)
            _out.Global("torch.storage", "UntypedStorage");
        else
            _out.Global("torch", TorchDtypes.StorageOf(record.Type)!);
        _out.TextOnce(record.Key);
        _out.Text(record.Storage.Location);
        _out.Int(record.Count);
        _out.Op(PickleOpcode.Tuple);
        _out.Op(PickleOpcode.BinPersId);
    }

    private void Sizes(IReadOnlyList<long> sizes)
    {
        if (sizes.Count == 0)
        {
            _out.Op(PickleOpcode.EmptyTuple);
            return;
        }
        if (sizes.Count > 3)
            _out.Op(PickleOpcode.Mark);
        foreach (long size in sizes)
            _out.Int(size);
        EndTuple(sizes.Count);
    }
}
