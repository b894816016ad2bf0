using Cairn.State;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>How PyTorch's rebuild functions put tensors together. Source: <c>torch/_utils.py</c>, <c>torch/_tensor.py</c>.</summary>
internal static class TensorRebuild
{
    /// <summary><c>(storage, offset, size, stride[, requires_grad, hooks[, metadata]])</c></summary>
    public static TorchValue Tensor(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments.Count is < 4 or > 7)
            throw Malformed(context, type, arguments);
        StorageReference storage = Storage(context, type, arguments);
        CheckMetadata(context, arguments.Count > 6 ? arguments[6] : TorchScalar.None);
        return View(context, storage, storage.Type ?? TensorType.U8, arguments);
    }

    /// <summary><c>(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])</c>: the storage is untyped.</summary>
    public static TorchValue TensorOfType(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments.Count is not (7 or 8))
            throw Malformed(context, type, arguments);
        CheckMetadata(context, arguments.Count > 7 ? arguments[7] : TorchScalar.None);
        return View(context, Storage(context, type, arguments), Dtype(context, arguments[6]), arguments);
    }

    /// <summary><c>(data[, requires_grad, hooks[, state]])</c></summary>
    public static TorchValue Parameter(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments.Count is < 1 or > 4)
            throw Malformed(context, type, arguments);
        TorchValue given = context.Finish(arguments[0]);
        // What its sparse or meta tensor is: something to list, without elements of its own.
        if (given is TorchObject { IsOpaque: false, Type.Module: "torch._utils" })
            return new TorchObject(type, arguments);
        // Of a class of other people, or made by one.
        if (given is TorchObject { IsOpaque: true })
            return new TorchObject(type, arguments, isOpaque: true);
        if (given is not TorchTensorValue data)
            throw Malformed(context, type, arguments);
        bool requiresGrad = arguments.Count < 2 || context.Boolean(arguments[1], "requires_grad of a parameter is malformed");
        return new TorchTensorValue(data.Data, data.Storage, data.Offset, data.Strides, isParameter: true, requiresGrad)
        {
            Attributes = arguments.Count > 3 ? Attributes(arguments[3]) : data.Attributes,
        };
    }

    /// <summary><c>(data)</c>: what a tensor was until PyTorch 0.4, when it was no parameter.</summary>
    public static TorchValue Variable(PickleContext context, TorchGlobal type, TorchList arguments) =>
        arguments.Count == 1 && context.Finish(arguments[0]) is TorchTensorValue data
            ? new TorchTensorValue(data.Data, data.Storage, data.Offset, data.Strides) : throw Malformed(context, type, arguments);

    /// <summary><c>(function, class, arguments, state)</c>: a tensor with attributes. Classes of other people are not plain data.</summary>
    public static TorchValue OfClass(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments is not { Count: 4 } || arguments[0] is not TorchGlobal function || arguments[1] is not TorchGlobal made || arguments[2] is not TorchList { Kind: TorchListKind.Tuple } inner)
            throw Malformed(context, type, arguments);
        bool isParameter = made.ToString() == "torch.nn.parameter.Parameter";
        if (!isParameter && made.ToString() != "torch.Tensor")
        {
            return context.Options.AllowOpaque ? new TorchObject(type, arguments, isOpaque: true)
                : throw context.Forbidden(made.ToString());
        }
        TorchValue tensor = function.ToString() switch
        {
            "torch._utils._rebuild_tensor" or "torch._utils._rebuild_tensor_v2" => Tensor(context, function, inner),
            "torch._utils._rebuild_tensor_v3" => TensorOfType(context, function, inner),
            "torch._utils._rebuild_parameter" or "torch._utils._rebuild_parameter_with_state" => Parameter(context, function, inner),
            _ => throw context.Forbidden($"{type} of {function}"),
        };
        var data = (TorchTensorValue)tensor;
        return new TorchTensorValue(data.Data, data.Storage, data.Offset, data.Strides, isParameter || data.IsParameter, data.RequiresGrad)
        {
            Attributes = Attributes(context.Finish(arguments[3])),
        };
    }

    /// <summary><c>(array, dtype, device, requires_grad)</c>, or a tensor of the CPU instead of an array.</summary>
    public static TorchValue FromArray(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments is not { Count: 4 } || context.Finish(arguments[0]) is not TorchTensorValue array)
            throw Malformed(context, type, arguments);
        TensorType dtype = Dtype(context, arguments[1]);
        if (array.Data.Type != dtype)
            throw context.Bad(TorchFault.UnsupportedTensor, "a tensor of a device was saved in another type than its own", $"{dtype}", $"{array.Data.Type}", "Move the tensor to the CPU before saving it.");
        return new TorchTensorValue(array.Data, array.Storage, array.Offset, array.Strides, isParameter: false, context.Boolean(arguments[3], "requires_grad of a tensor is malformed"));
    }

    /// <summary><c>(storage, offset, size, stride, (scheme, scale, zero point[, axis]), requires_grad, hooks)</c>: its integers, and what they are scaled by.</summary>
    public static TorchValue Quantized(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (!context.Options.AllowOpaque)
            throw Quantized(context, type);
        if (arguments is not { Count: 7 } || arguments[4] is not TorchList { Kind: TorchListKind.Tuple, Count: 3 or 4 } quantizer)
            throw Malformed(context, type, arguments);
        StorageReference storage = Storage(context, type, arguments);
        TorchTensorValue integers = context.Tensors.View(context, storage, storage.Type ?? TensorType.U8, context.Integer(arguments[1], "the offset of a tensor is malformed"),
            context.Integers(arguments[2], "the size of a tensor is malformed"), context.Integers(arguments[3], "the stride of a tensor is malformed"));
        return new TorchObject(type, new TorchList(TorchListKind.Tuple, [integers, quantizer]), isOpaque: true);
    }

    public static CorruptTorchFileException Quantized(PickleContext context, TorchGlobal type) =>
        context.Bad(TorchFault.UnsupportedTensor, "it holds a quantized tensor, which is not read", "a dense tensor", $"'{type}'", "Save tensor.dequantize(), or tensor.int_repr() with its scale and zero point.");

    /// <summary><c>(bytes)</c>: a file of PyTorch within the pickle, which holds one storage.</summary>
    public static TorchValue FromBytes(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments is not { Count: 1 } || arguments[0] is not TorchScalar { Value: byte[] } bytes)
            throw Malformed(context, type, arguments);
        if (context.IsNested)
            throw context.Bad(TorchFault.TooDeep, "files of PyTorch within files of PyTorch are nested too deeply", "one level", "more");
        return context.Tensors.Nested(bytes, context);
    }

    /// <summary>A storage of a type around one without: <c>(untyped storage, dtype, …)</c> by place or by name does not occur; its pickles use bytes.</summary>
    public static TorchValue TypedStorage(PickleContext context, TorchGlobal type, TorchList arguments) => throw Malformed(context, type, arguments);

    private static TorchTensorValue View(PickleContext context, StorageReference storage, TensorType type, TorchList arguments)
    {
        long offset = context.Integer(arguments[1], "the offset of a tensor is malformed");
        long[] shape = context.Integers(arguments[2], "the size of a tensor is malformed");
        long[] strides = context.Integers(arguments[3], "the stride of a tensor is malformed");
        bool requiresGrad = arguments.Count > 4 && context.Boolean(arguments[4], "requires_grad of a tensor is malformed");
        return context.Tensors.View(context, storage, type, offset, shape, strides, requiresGrad);
    }

    private static StorageReference Storage(PickleContext context, TorchGlobal type, TorchList arguments) =>
        arguments[0] as StorageReference ?? throw Malformed(context, type, arguments);

    private static TensorType Dtype(PickleContext context, TorchValue value)
    {
        if (value is not TorchGlobal global || (TorchDtypes.Parse(global) is null && !TorchDtypes.IsDtype(global)))
            throw context.Wrong("the dtype of a tensor is malformed", "a dtype of PyTorch", value);
        return TorchDtypes.Parse(global) ?? throw context.Bad(TorchFault.UnsupportedTensor, "it holds a tensor of an element type that is not read", "numbers or bools of whole bytes", $"'{global}'", "Convert the tensor before saving it.");
    }

    private static TorchValue? Attributes(TorchValue state) => state is TorchMap { Count: 0 } or TorchScalar { Value: null } ? null : state;

    // The conjugate and the negative are taken lazily: the stored numbers are not the tensor's.
    private static void CheckMetadata(PickleContext context, TorchValue metadata)
    {
        if (metadata is TorchScalar { Value: null })
            return;
        if (metadata is not TorchMap map)
            throw context.Wrong("the metadata of a tensor are malformed", "a dict", metadata);
        foreach (string bit in (string[])["conj", "neg"])
        {
            if (map.Find(bit) is not (null or TorchScalar { Value: false }))
                throw context.Bad(TorchFault.UnsupportedTensor, $"it holds a tensor whose '{bit}' was not yet computed when it was saved", "the tensor's own values", $"{bit}=True", $"Save tensor.resolve_{bit}().");
        }
    }

    private static CorruptTorchFileException Malformed(PickleContext context, TorchGlobal type, TorchList arguments) =>
        context.Wrong($"the arguments of '{type}' are malformed", "those that PyTorch writes", arguments.Count > 0 ? arguments[0] : arguments);
}
