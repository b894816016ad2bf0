using System.Globalization;
using System.Numerics;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>The objects of Python's and PyTorch's own classes that are plain values by another name.</summary>
internal static class PlainObjects
{
    /// <summary>The scalar that stands for an object; <see langword="null"/> when none does.</summary>
    public static StateNode? Text(TorchObject made) => made.IsOpaque ? null : (made.Type.ToString(), made.Arguments) switch
    {
        ("torch.device", [TorchScalar { Value: string type }, TorchScalar { Value: long index }]) => $"{type}:{index}",
        ("torch.device", [TorchScalar { Value: string type }]) => type,
        ("torch.torch_version.TorchVersion" or "torch.serialization._get_layout" or "decimal.Decimal" or "fractions.Fraction", [TorchScalar { Value: string text }]) => text,
        ("fractions.Fraction", [TorchScalar { Value: long or BigInteger } over, TorchScalar { Value: long or BigInteger } under]) => under.Value is 1L ? over.ToString() : $"{over}/{under}",
        ("numpy.dtype", [TorchScalar { Value: string code }, ..]) => made.State is TorchList { Count: > 1 } state && state[1] is TorchScalar { Value: "<" or ">" } order ? $"{order.Value}{code}" : code,
        ("uuid.UUID", []) => Uuid(made),
        ("datetime.date", [TorchScalar { Value: byte[] { Length: 4 } date }]) => Date(date),
        ("datetime.time", { Count: 1 or 2 } given) when given[0] is TorchScalar { Value: byte[] { Length: 6 } time } => Zone(given.Skip(1)) is { } offset ? Time(time) + offset : null,
        ("datetime.datetime", { Count: 1 or 2 } given) when given[0] is TorchScalar { Value: byte[] { Length: 10 } moment } =>
            Zone(given.Skip(1)) is { } offset ? $"{Date(moment.AsSpan(0, 4))}T{Time(moment.AsSpan(4))}{offset}" : null,
        ("datetime.timedelta", _) => Seconds(made) is { } seconds ? seconds : null,
        ("datetime.timezone", _) => Zone([made]) is { } offset ? $"UTC{offset}" : null,
        (['p', 'a', 't', 'h', 'l', 'i', 'b', '.', ..], _) => Path(made),
        _ => null,
    };

    /// <summary>The plain value that stands for an object; <see langword="null"/> when none does.</summary>
    public static TorchValue? Contents(TorchObject made) => made.IsOpaque ? null : made switch
    {
        { Type: { Module: "argparse", Name: "Namespace" } or { Module: "types", Name: "SimpleNamespace" }, Arguments: [] } => made.State is null ? new TorchMap() : made.State as TorchMap,
        { Type: { Module: "collections", Name: "deque" } } => made.Items ?? (made.Arguments is [TorchList items, ..] ? items : new TorchList(TorchListKind.List)),
        { Type: { Module: "_io" or "io", Name: "BytesIO" } } => made switch
        {
            { State: TorchList { Count: > 0 } state } when state[0] is TorchScalar { Value: byte[] } bytes => bytes,
            { Arguments: [TorchScalar { Value: byte[] } bytes, ..] } => bytes,
            { Arguments: [], State: null } => new TorchScalar(Array.Empty<byte>()),
            _ => null,
        },
        { Type: { Module: "builtins", Name: "range" or "slice" }, Arguments: [var start, var stop, var step] } => new TorchMap { ["start"] = start, ["stop"] = stop, ["step"] = step },
        _ => null,
    };

    // As __reduce__ gives them: the parts, of which an absolute one starts with its root.
    private static StateNode? Path(TorchObject made)
    {
        if (made.Arguments.Any(part => part is not TorchScalar { Value: string }))
            return null;
        char separator = made.Type.Name.Contains("Windows", StringComparison.Ordinal) ? '\\' : '/';
        var text = new System.Text.StringBuilder();
        foreach (TorchValue part in made.Arguments)
        {
            if (text.Length > 0 && text[^1] != separator)
                text.Append(separator);
            text.Append((string)((TorchScalar)part).Value!);
        }
        return text.Length == 0 ? "." : text.ToString();
    }

    private static StateNode? Uuid(TorchObject made)
    {
        BigInteger? number = (made.State as TorchMap)?.Find("int") switch
        {
            TorchScalar { Value: long small } => small,
            TorchScalar { Value: BigInteger large } => large,
            _ => null,
        };
        if (number is not { } value || value.Sign < 0 || value.GetBitLength() > 128)
            return null;
        byte[] bytes = new byte[16], own = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        own.CopyTo(bytes.AsSpan(bytes.Length - own.Length));
        return new Guid(bytes, bigEndian: true).ToString();
    }

    // Source: datetime._getstate in CPython's Lib/_pydatetime.py. The first bit of month or hour is the fold.
    private static string Date(ReadOnlySpan<byte> date) => string.Create(CultureInfo.InvariantCulture, $"{(date[0] << 8) | date[1]:D4}-{date[2] & 0x7F:D2}-{date[3]:D2}");

    private static string Time(ReadOnlySpan<byte> time)
    {
        int micros = (time[3] << 16) | (time[4] << 8) | time[5];
        string whole = string.Create(CultureInfo.InvariantCulture, $"{time[0] & 0x7F:D2}:{time[1]:D2}:{time[2]:D2}");
        return micros == 0 ? whole : string.Create(CultureInfo.InvariantCulture, $"{whole}.{micros:D6}");
    }

    private static string? Zone(IEnumerable<TorchValue> given)
    {
        TorchValue zone = given.FirstOrDefault(TorchScalar.None);
        if (zone is TorchScalar { Value: null })
            return "";
        if (zone is not TorchObject { IsOpaque: false, Type: { Module: "datetime", Name: "timezone" }, Arguments: [TorchObject offset, ..] } || Seconds(offset) is not { } seconds || Math.Abs(seconds) >= 86400)
            return null;
        var span = TimeSpan.FromSeconds(Math.Abs(seconds));
        return $"{(seconds < 0 ? '-' : '+')}{span.ToString(span.Seconds == 0 ? @"hh\:mm" : @"hh\:mm\:ss", CultureInfo.InvariantCulture)}";
    }

    private static double? Seconds(TorchObject made) =>
        made is { IsOpaque: false, Type: { Module: "datetime", Name: "timedelta" }, Arguments: [TorchScalar { Value: long days }, TorchScalar { Value: long seconds }, TorchScalar { Value: long micros }] }
            ? (days * 86400.0) + seconds + (micros / 1e6) : null;
}
