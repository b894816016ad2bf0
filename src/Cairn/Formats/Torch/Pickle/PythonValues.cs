using System.Text;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>What Python's own classes make of their arguments.</summary>
internal static class PythonValues
{
    private const int BytesPerEntry = 64;
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly Encoding StrictLatin1 = Encoding.GetEncoding("latin1", EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback);

    public static TorchValue OrderedDict(PickleContext context, TorchGlobal type, TorchList arguments) => Map(context, TorchMapKind.OrderedDict, arguments, 0);

    public static TorchValue Dict(PickleContext context, TorchGlobal type, TorchList arguments) => Map(context, TorchMapKind.Dict, arguments, 0);

    public static TorchValue Counter(PickleContext context, TorchGlobal type, TorchList arguments) => Map(context, TorchMapKind.Counter, arguments, 0);

    public static TorchValue DefaultDict(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        TorchValue factory = arguments.Count == 0 ? TorchScalar.None : arguments[0];
        // Such as a functools.partial, of which the name stays.
        if (factory is TorchObject made)
            factory = made.Type;
        if (factory is not (TorchGlobal or TorchScalar { Value: null }))
            throw context.Wrong("the factory of a defaultdict is malformed", "a class or None", factory);
        return Map(context, TorchMapKind.DefaultDict, arguments, 1, factory as TorchGlobal);
    }

    /// <summary>A map, empty or of another map's entries or of pairs.</summary>
    private static TorchMap Map(PickleContext context, TorchMapKind kind, TorchList arguments, int first, TorchGlobal? factory = null)
    {
        var map = new TorchMap(kind) { DefaultFactory = factory };
        if (arguments.Count <= first)
            return map;
        if (arguments.Count > first + 1)
            throw context.Wrong($"the arguments of a {kind} are malformed", "at most one map", arguments);
        switch (arguments[first])
        {
            case TorchMap entries:
                context.Charge(BytesPerEntry * (long)entries.Count);
                foreach ((TorchValue key, TorchValue value) in entries)
                    map[key] = value;
                break;
            case TorchList pairs:
                context.Charge(BytesPerEntry * (long)pairs.Count);
                foreach (TorchValue pair in pairs)
                {
                    if (pair is not TorchList { Count: 2 } entry)
                        throw context.Wrong($"an entry of a {kind} is malformed", "a key and a value", pair);
                    map[context.Finish(entry[0])] = context.Finish(entry[1]);
                }
                break;
            default: throw context.Wrong($"the arguments of a {kind} are malformed", "a map or pairs", arguments[first]);
        }
        return map;
    }

    public static TorchList Sequence(PickleContext context, TorchListKind kind, TorchList arguments) => arguments switch
    {
        { Count: 0 } => new TorchList(kind),
        { Count: 1 } when arguments[0] is TorchList items => Copy(context, kind, items),
        _ => throw context.Wrong($"the arguments of a {kind} are malformed", "one sequence", arguments.Count == 1 ? arguments[0] : arguments),
    };

    private static TorchList Copy(PickleContext context, TorchListKind kind, TorchList items)
    {
        context.Charge(IntPtr.Size * (long)items.Count);
        TorchValue[] copy = new TorchValue[items.Count];
        for (int i = 0; i < copy.Length; i++)
            copy[i] = items[i];
        return new TorchList(kind, copy);
    }

    public static TorchValue Complex(PickleContext context, TorchGlobal type, TorchList arguments) =>
        arguments is { Count: 2 } && arguments[0] is TorchScalar { Value: double real } && arguments[1] is TorchScalar { Value: double imaginary }
            ? new TorchScalar(new System.Numerics.Complex(real, imaginary))
            : throw context.Wrong("a complex is malformed", "two floats", arguments);

    /// <summary>Bytes, as the protocols before 3 write them: a text and the name of an encoding.</summary>
    public static TorchValue Bytes(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments.Count == 0)
            return new TorchScalar(Array.Empty<byte>());
        if (arguments is { Count: 1 } && arguments[0] is TorchScalar { Value: byte[] } bytes)
            return bytes;
        if (arguments is not { Count: 2 } || arguments[0] is not TorchScalar { Value: string text } || arguments[1] is not TorchScalar { Value: string encoding })
            throw context.Wrong($"the arguments of '{type}' are malformed", "a text and the name of an encoding", arguments);
        context.Charge(text.Length);
        try
        {
            return new TorchScalar(encoding switch
            {
                "latin1" or "latin-1" => StrictLatin1.GetBytes(text),
                "utf-8" or "utf8" => StrictUtf8.GetBytes(text),
                _ => throw context.Wrong("bytes have an encoding that is not read", "latin1 or utf-8", arguments[1]),
            });
        }
        catch (EncoderFallbackException)
        {
            throw context.Bad(TorchFault.NotText, "bytes are written as a text that has no bytes", "characters up to 255", "others");
        }
    }

    /// <summary>How the protocols 0 and 1 make an object of a class: <c>copyreg._reconstructor(class, base, state of the base)</c>.</summary>
    public static TorchValue Reconstruct(PickleContext context, TorchGlobal type, TorchList arguments)
    {
        if (arguments is not { Count: 3 } || arguments[0] is not TorchGlobal made || arguments[1] is not TorchGlobal based)
            throw context.Wrong("an object of protocol 0 or 1 is malformed", "a class, its base and a state", arguments);
        bool isPlain = PickleCallables.IsPlainData(made) && based.ToString() == "builtins.object";
        if (!isPlain && !context.Options.AllowOpaque)
            throw context.Forbidden(made.ToString());
        TorchList own = arguments[2] is TorchScalar { Value: null } ? new(TorchListKind.Tuple) : new(TorchListKind.Tuple, [arguments[2]]);
        return new TorchObject(made, own, isOpaque: !isPlain) { IsNew = true };
    }
}
