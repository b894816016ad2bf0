using System.Collections.Frozen;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// The classes and functions that a pickle may name, each interpreted here. This list is what stands between a file and the machine: nothing
/// on it runs anything, and nothing that is not on it is looked up.
/// </summary>
internal static class PickleCallables
{
    private delegate TorchValue Interpreter(PickleContext context, TorchGlobal type, TorchList arguments);

    /// <summary>The class of texts.</summary>
    public static readonly TorchGlobal Text = new("builtins", "str");

    private static readonly FrozenDictionary<string, Interpreter> Interpreters = new Dictionary<string, Interpreter>(StringComparer.Ordinal)
    {
        ["collections.OrderedDict"] = PythonValues.OrderedDict,
        ["collections.defaultdict"] = PythonValues.DefaultDict,
        ["collections.Counter"] = PythonValues.Counter,
        ["builtins.dict"] = PythonValues.Dict,
        ["builtins.list"] = (context, _, arguments) => PythonValues.Sequence(context, TorchListKind.List, arguments),
        ["builtins.tuple"] = (context, _, arguments) => PythonValues.Sequence(context, TorchListKind.Tuple, arguments),
        ["builtins.set"] = (context, _, arguments) => PythonValues.Sequence(context, TorchListKind.Set, arguments),
        ["builtins.frozenset"] = (context, _, arguments) => PythonValues.Sequence(context, TorchListKind.FrozenSet, arguments),
        ["torch.Size"] = (context, _, arguments) => PythonValues.Sequence(context, TorchListKind.Size, arguments),
        ["builtins.complex"] = PythonValues.Complex,
        ["builtins.bytes"] = PythonValues.Bytes,
        ["builtins.bytearray"] = PythonValues.Bytes,
        ["_codecs.encode"] = PythonValues.Bytes,
        ["copyreg._reconstructor"] = PythonValues.Reconstruct,
        ["builtins.getattr"] = EnumMember,
        // What a TorchScript program writes around its lists.
        ["torch.jit._pickle.restore_type_tag"] = Tagged,
        ["torch.jit._pickle.build_intlist"] = Tagged,
        ["torch.jit._pickle.build_doublelist"] = Tagged,
        ["torch.jit._pickle.build_boollist"] = Tagged,
        ["torch.jit._pickle.build_tensorlist"] = Tagged,

        ["torch._utils._rebuild_tensor"] = TensorRebuild.Tensor,
        ["torch._utils._rebuild_tensor_v2"] = TensorRebuild.Tensor,
        ["torch._utils._rebuild_tensor_v3"] = TensorRebuild.TensorOfType,
        ["torch._utils._rebuild_parameter"] = TensorRebuild.Parameter,
        ["torch._utils._rebuild_parameter_with_state"] = TensorRebuild.Parameter,
        ["torch.nn.parameter.Parameter"] = TensorRebuild.Parameter,
        ["torch.autograd.variable.Variable"] = TensorRebuild.Variable,
        ["torch._tensor._rebuild_from_type"] = TensorRebuild.OfClass,
        ["torch._tensor._rebuild_from_type_v2"] = TensorRebuild.OfClass,
        ["torch._utils._rebuild_device_tensor_from_numpy"] = TensorRebuild.FromArray,
        ["torch._utils._rebuild_device_tensor_from_cpu_tensor"] = TensorRebuild.FromArray,
        ["torch._utils._rebuild_xla_tensor"] = TensorRebuild.FromArray,
        ["torch._utils._rebuild_qtensor"] = TensorRebuild.Quantized,
        ["torch.storage._load_from_bytes"] = TensorRebuild.FromBytes,
        ["torch.storage.TypedStorage"] = TensorRebuild.TypedStorage,

        ["numpy.core.multiarray._reconstruct"] = NumpyValues.NewArray,
        ["numpy._core.multiarray._reconstruct"] = NumpyValues.NewArray,
        ["numpy.core.multiarray.scalar"] = NumpyValues.Scalar,
        ["numpy._core.multiarray.scalar"] = NumpyValues.Scalar,
        ["numpy.core.numeric._frombuffer"] = NumpyValues.FromBuffer,
        ["numpy._core.numeric._frombuffer"] = NumpyValues.FromBuffer,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    // Made into a TorchObject: they hold values and do nothing when they are made.
    private static readonly FrozenSet<string> PlainData = FrozenSet.Create(StringComparer.Ordinal,
        "torch.device", "torch.serialization._get_layout", "torch.torch_version.TorchVersion", "numpy.dtype",
        // Sparse and meta tensors stay what they were saved as: indices, values and sizes.
        "torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_sparse_csr_tensor", "torch._utils._rebuild_meta_tensor_no_storage",
        "torch.distributed.checkpoint.metadata.Metadata", "torch.distributed.checkpoint.metadata.TensorStorageMetadata",
        "torch.distributed.checkpoint.metadata.BytesStorageMetadata", "torch.distributed.checkpoint.metadata.ChunkStorageMetadata",
        "torch.distributed.checkpoint.metadata.TensorProperties", "torch.distributed.checkpoint.metadata.MetadataIndex",
        "torch.distributed.checkpoint.metadata._MEM_FORMAT_ENCODING", "torch.distributed.checkpoint.metadata.StorageMeta",
        "torch.distributed.checkpoint.filesystem._StorageInfo", "torch.distributed.checkpoint.filesystem._StoragePrefix",
        "torch.distributed._shard.sharded_tensor.metadata.TensorProperties", "torch.distributed._shard.sharded_tensor.metadata.MEM_FORMAT_ENCODING",
        "torch.distributed._shard.metadata.ShardMetadata",
        "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath", "pathlib.Path",
        "pathlib._local.PosixPath", "pathlib._local.WindowsPath", "pathlib._local.PurePosixPath", "pathlib._local.PureWindowsPath",
        "argparse.Namespace", "types.SimpleNamespace", "collections.deque", "builtins.range", "builtins.slice", "builtins.object",
        "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "_io.BytesIO", "io.BytesIO",
        "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone");

    // Values by themselves: what a defaultdict makes, classes that are arguments, memory formats and schemes. Not to be called.
    private static readonly FrozenSet<string> Constants = FrozenSet.Create(StringComparer.Ordinal,
        "builtins.int", "builtins.float", "builtins.str", "builtins.bool", "torch.Tensor", "numpy.ndarray",
        "torch.strided", "torch.sparse_coo", "torch.sparse_csr", "torch.contiguous_format", "torch.preserve_format", "torch.channels_last", "torch.channels_last_3d",
        "torch.per_tensor_affine", "torch.per_channel_affine", "torch.per_tensor_symmetric", "torch.per_channel_symmetric", "torch.per_channel_affine_float_qparams");

    // Enums of plain data, and the names of their members.
    private static readonly FrozenSet<string> Enums = FrozenSet.Create(StringComparer.Ordinal,
        "torch.distributed.checkpoint.metadata._MEM_FORMAT_ENCODING", "torch.distributed._shard.sharded_tensor.metadata.MEM_FORMAT_ENCODING");
    private static readonly FrozenSet<string> EnumMembers = FrozenSet.Create(StringComparer.Ordinal, "TORCH_CONTIGUOUS_FORMAT", "TORCH_CHANNELS_LAST", "TORCH_PRESERVE_FORMAT");

    /// <summary>The name as Python 3 and today's PyTorch have it.</summary>
    public static TorchGlobal Name(string module, string name) => module == "__builtin__" ? new("builtins", name switch
    {
        // Protocols up to 2 have the names of Python 2.
        "xrange" => "range",
        "unicode" => "str",
        "long" => "int",
        _ => name,
    }) : new(module switch
    {
        "copy_reg" => "copyreg",
        "torch.tensor" => "torch._tensor",
        // Where PyTorch 1.13 had what 2.0 moved.
        "torch.distributed._shard.checkpoint.metadata" => "torch.distributed.checkpoint.metadata",
        "torch.distributed._shard.checkpoint.filesystem" => "torch.distributed.checkpoint.filesystem",
        _ => module,
    }, name);

    public static bool IsKnown(TorchGlobal global)
    {
        string name = global.ToString();
        return Interpreters.ContainsKey(name) || PlainData.Contains(name) || Constants.Contains(name)
            || TorchDtypes.IsDtype(global) || TorchDtypes.Parse(global) is not null || StorageClasses.IsStorage(global);
    }

    public static TorchValue Call(PickleContext context, TorchGlobal type, TorchList arguments, bool isNew, TorchMap? keywords)
    {
        string name = type.ToString();
        if (keywords is null && Interpreters.TryGetValue(name, out Interpreter? interpret))
            return interpret(context, type, arguments);
        if (PlainData.Contains(name))
            return new TorchObject(type, arguments) { IsNew = isNew, Keywords = keywords };
        return context.Options.AllowOpaque ? new TorchObject(type, arguments, isOpaque: true) { IsNew = isNew, Keywords = keywords }
            : throw context.Forbidden(name);
    }

    /// <summary>Whether a class is plain data, so that it may be made without a call.</summary>
    public static bool IsPlainData(TorchGlobal type) => PlainData.Contains(type.ToString());

    private static TorchValue Tagged(PickleContext context, TorchGlobal type, TorchList arguments) =>
        arguments.Count is 1 or 2 ? arguments[0] : throw context.Wrong($"the arguments of '{type}' are malformed", "a list", arguments);

    // Python 3.11 pickles a member of an enum as getattr(class, name), and protocol 2 a class within a class. Nothing is looked up: the two texts are the value.
    private static TorchValue EnumMember(PickleContext context, TorchGlobal type, TorchList arguments) =>
        arguments is [TorchGlobal named, TorchScalar { Value: string member }] && (context.Options.AllowOpaque || (Enums.Contains(named.ToString()) && EnumMembers.Contains(member)))
            ? new TorchGlobal(named.Module, $"{named.Name}.{member}")
            : context.Options.AllowOpaque ? new TorchObject(type, arguments, isOpaque: true) : throw context.Forbidden(type.ToString());
}
