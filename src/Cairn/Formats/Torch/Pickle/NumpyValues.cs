using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Cairn.State;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>Arrays and scalars of numpy, as <c>ndarray.__reduce__</c> and <c>generic.__reduce__</c> write them. Arrays become tensors, scalars plain values.</summary>
internal static class NumpyValues
{
    // What an array takes in memory, beside its bytes and the view of them. The shortest pickle of one has 33 bytes, so that any number of them stays within the bound.
    private const long ArrayBytes = 288;
    private static readonly TorchGlobal ArrayType = new("numpy", "ndarray");
    private const string Advice = "Save the array with plain numbers, or as a list.";

    /// <summary><c>_reconstruct(ndarray, (0,), b'b')</c>: an empty array, which is filled by what follows.</summary>
    public static TorchValue NewArray(PickleContext context, TorchGlobal type, TorchList arguments) =>
        arguments is { Count: 3 } && arguments[0] is TorchGlobal made && made.ToString() == "numpy.ndarray" ? new UnbuiltArray()
            : context.Options.AllowOpaque ? new TorchObject(type, arguments, isOpaque: true)
            : throw context.Wrong("an array of numpy is malformed", "a numpy.ndarray", arguments.Count > 0 ? arguments[0] : arguments);

    /// <summary>The state of an array: <c>(version, shape, dtype, is_fortran, bytes)</c>.</summary>
    public static void Fill(UnbuiltArray array, TorchValue state, PickleContext context)
    {
        if (array.Built is not null || state is not TorchList { Kind: TorchListKind.Tuple, Count: 5 } fields)
            throw context.Wrong("the contents of an array of numpy are malformed", "version, shape, dtype, order and bytes, once", state);
        bool isFortran = context.Boolean(fields[3], "the order of an array of numpy is malformed");
        ElementForm? form = FormOf(context, fields[2]);
        // An array of objects, texts or records: not numbers, and plain all the same.
        array.Built = context.Options.AllowOpaque && form is not { Type: not null } ? new TorchObject(ArrayType, new TorchList(TorchListKind.Tuple, [fields[1], fields[2], fields[4]]), isOpaque: true)
            : Array(context, fields[1], form ?? throw Unsupported(context, fields[2]), fields[2], isFortran, fields[4]);
    }

    /// <summary><c>_frombuffer(bytes, dtype, shape, order)</c>: protocol 5.</summary>
    public static TorchValue FromBuffer(PickleContext context, TorchGlobal type, TorchList arguments) =>
        arguments is { Count: 4 } ? Array(context, arguments[2], FormOf(context, arguments[1]) ?? throw Unsupported(context, arguments[1]), arguments[1], context.Text(arguments[3], "the order of an array of numpy is malformed") == "F", arguments[0])
            : throw context.Wrong("an array of numpy is malformed", "bytes, dtype, shape and order", arguments);

    /// <summary><c>scalar(dtype, bytes)</c></summary>
    public static TorchValue Scalar(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments is not { Count: 2 })
            throw context.Wrong("a scalar of numpy is malformed", "a dtype and bytes", arguments);
        ElementForm? form = FormOf(context, arguments[0]);
        if (context.Options.AllowOpaque && form is not ({ Kind: 'U' or 'S' } or { Type: not null }))
            return new TorchObject(type, arguments, isOpaque: true);
        (char kind, int size, bool swap) = form ?? throw Unsupported(context, arguments[0]);
        byte[] bytes = Own(context, Bytes(context, arguments[1]), swap ? (kind == 'c' ? size / 2 : size) : 1);
        context.Charge(bytes.Length);
        if (kind is not ('U' or 'S') && bytes.Length != size)
            throw context.Wrong("the bytes of a scalar of numpy do not fit its dtype", $"{size} bytes", arguments[1]);
        ReadOnlySpan<byte> b = bytes;
        return (kind, size) switch
        {
            ('b', 1) => new TorchScalar(b[0] != 0),
            ('i', 1) => new TorchScalar((long)(sbyte)b[0]),
            ('i', 2) => new TorchScalar((long)BinaryPrimitives.ReadInt16LittleEndian(b)),
            ('i', 4) => new TorchScalar((long)BinaryPrimitives.ReadInt32LittleEndian(b)),
            ('i', 8) => new TorchScalar(BinaryPrimitives.ReadInt64LittleEndian(b)),
            ('u', 1) => new TorchScalar((long)b[0]),
            ('u', 2) => new TorchScalar((long)BinaryPrimitives.ReadUInt16LittleEndian(b)),
            ('u', 4) => new TorchScalar((long)BinaryPrimitives.ReadUInt32LittleEndian(b)),
            ('u', 8) => new TorchScalar(new BigInteger(BinaryPrimitives.ReadUInt64LittleEndian(b))),
            ('f', 2) => new TorchScalar((double)BinaryPrimitives.ReadHalfLittleEndian(b)),
            ('f', 4) => new TorchScalar((double)BinaryPrimitives.ReadSingleLittleEndian(b)),
            ('f', 8) => new TorchScalar(BinaryPrimitives.ReadDoubleLittleEndian(b)),
            ('c', 8) => new TorchScalar(new Complex(BinaryPrimitives.ReadSingleLittleEndian(b), BinaryPrimitives.ReadSingleLittleEndian(b[4..]))),
            ('c', 16) => new TorchScalar(new Complex(BinaryPrimitives.ReadDoubleLittleEndian(b), BinaryPrimitives.ReadDoubleLittleEndian(b[8..]))),
            ('S', _) => new TorchScalar(bytes),
            ('U', _) => new TorchScalar(PythonText.OfUtf32(b) ?? throw Unsupported(context, arguments[0])),
            _ => throw Unsupported(context, arguments[0]),
        };
    }

    private static TorchTensorValue Array(PickleContext context, TorchValue shapeValue, ElementForm form, TorchValue dtype, bool isFortran, TorchValue contents)
    {
        (char kind, int size, bool swap) = form;
        TensorType type = form.Type ?? throw Unsupported(context, dtype);
        context.Charge(ArrayBytes);
        long[] shape = context.Integers(shapeValue, "the shape of an array of numpy is malformed");
        byte[] bytes = Own(context, Bytes(context, contents), swap ? (kind == 'c' ? size / 2 : size) : 1);
        long count = TensorTable.CountOf(shape) ?? throw context.Bad(TorchFault.TensorBounds, "the shape of an array of numpy is malformed", "sizes whose product fits 63 bits", $"{shape.Length} others");
        if (count > bytes.Length / size || count * size != bytes.Length)
            throw context.Bad(TorchFault.StorageSize, "the bytes of an array of numpy do not fit its shape", $"{count} elements of {size} bytes", $"{bytes.Length} bytes");
        var data = new MemoryTensor(type, [count], bytes);
        long[] strides = isFortran ? ColumnMajor(shape) : TorchTensorValue.RowMajor(shape);
        return context.Tensors.View(context, new StorageReference(new TorchStorage(data), data, type, 0, count), type, 0, shape, strides);
    }

    private static long[] ColumnMajor(long[] shape)
    {
        long[] strides = new long[shape.Length];
        long step = 1;
        for (int i = 0; i < shape.Length; i++)
        {
            strides[i] = step;
            step *= Math.Max(1, shape[i]);
        }
        return strides;
    }

    // A str of Python 2 that happens to be a good text was taken for one.
    private static byte[] Bytes(PickleContext context, TorchValue value)
    {
        if (value is TorchScalar { Value: string text })
        {
            context.Charge(text.Length);
            return WellFormedText.Is(text) ? Encoding.UTF8.GetBytes(text) : throw Unsupported(context, value);
        }
        return value is TorchScalar { Value: byte[] bytes } ? bytes : throw Unsupported(context, value);
    }

    /// <summary>The bytes in little-endian order: themselves, or a turned copy.</summary>
    private static byte[] Own(PickleContext context, byte[] bytes, int wordLength)
    {
        if (wordLength <= 1 || bytes.Length % wordLength != 0)
            return bytes;
        context.Charge(bytes.Length);
        byte[] turned = (byte[])bytes.Clone();
        for (int i = 0; i < turned.Length; i += wordLength)
            turned.AsSpan(i, wordLength).Reverse();
        return turned;
    }

    /// <summary>What <c>numpy.dtype('f4', …)</c> with the state <c>(version, '&lt;', …)</c> says; <see langword="null"/> when it is no such dtype.</summary>
    private static ElementForm? FormOf(PickleContext context, TorchValue value)
    {
        if (value is not TorchObject { Type: { Module: "numpy", Name: "dtype" } } dtype || dtype.Arguments.Count == 0)
            return null;
        string code = context.Text(dtype.Arguments[0], "the code of a dtype of numpy is malformed");
        bool swap = code.StartsWith('>');
        ReadOnlySpan<char> bare = code.AsSpan().TrimStart("<>|=");
        if (dtype.State is TorchList { Count: > 1 } state && context.Text(state[1], "the byte order of a dtype of numpy is malformed") == ">")
            swap = true;
        int factor = bare is ['U', ..] ? 4 : 1;
        if (bare.Length < 2 || !int.TryParse(bare[1..], System.Globalization.NumberStyles.None, null, out int size) || size > int.MaxValue / 4 || (size == 0 && bare[0] is not ('U' or 'S')))
            return null;
        if (swap && factor != 1)
            return null;
        return new ElementForm(bare[0], size * factor, swap && bare[0] != 'S');
    }

    /// <summary>Kind and bytes of an element, and whether they are big-endian.</summary>
    private readonly record struct ElementForm(char Kind, int Size, bool Swap)
    {
        /// <summary>The type of numbers; <see langword="null"/> for anything else.</summary>
        public TensorType? Type => TypeOf(Kind, Size);
    }

    private static TensorType? TypeOf(char kind, int size) => (kind, size) switch
    {
        ('b', 1) => TensorType.Bool,
        ('i', 1) => TensorType.I8,
        ('i', 2) => TensorType.I16,
        ('i', 4) => TensorType.I32,
        ('i', 8) => TensorType.I64,
        ('u', 1) => TensorType.U8,
        ('u', 2) => TensorType.U16,
        ('u', 4) => TensorType.U32,
        ('u', 8) => TensorType.U64,
        ('f', 2) => TensorType.F16,
        ('f', 4) => TensorType.F32,
        ('f', 8) => TensorType.F64,
        ('c', 8) => TensorType.C64,
        ('c', 16) => TensorType.C128,
        _ => null,
    };

    private static CorruptTorchFileException Unsupported(PickleContext context, TorchValue dtype) =>
        context.Bad(TorchFault.UnsupportedTensor, "it holds an array or scalar of numpy that is not plain numbers", "a dtype of bool, int, uint, float or complex",
            dtype is TorchObject { Arguments.Count: > 0 } made ? PickleContext.Describe(made.Arguments[0]) : PickleContext.Describe(dtype), Advice);
}
