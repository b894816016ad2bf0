using System.Globalization;
using Cairn.Stores;
using Microsoft.Extensions.Configuration;

namespace Cairn.Configuration;

/// <summary>Reads single values; a <see cref="FormatException"/> says what was expected and found. No value, <c>null</c> and <c>none</c> are the same.</summary>
internal static class ConfigurationValues
{
    public static string? Text(IConfigurationSection entry)
    {
        if (entry.GetChildren().Any())
            throw new FormatException("expected one value, found a list or a section.");
        string? value = entry.Value?.Trim();
        return value is null or "" || Is(value, "null") || Is(value, "none") ? null : value;
    }

    public static bool Switch(IConfigurationSection entry) => Text(entry) is { } text && bool.TryParse(text, out bool value)
        ? value
        : throw new FormatException($"expected true or false, found '{entry.Value}'.");

    /// <summary>A whole number; <c>inf</c>, InternLM's word for never, is <see langword="null"/>.</summary>
    public static long? Count(IConfigurationSection entry) => Count(entry, "a whole number");

    private static long? Count(IConfigurationSection entry, string expected)
    {
        string? text = Text(entry);
        if (text is null || Is(text, "inf") || Is(text, "infinity"))
            return null;
        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            ? value
            : throw new FormatException($"expected {expected}, found '{text}'.");
    }

    /// <summary>The same, or <c>auto</c>: <see cref="CheckpointOptions.Auto"/>.</summary>
    public static long? CountOrAuto(IConfigurationSection entry)
    {
        string? text = Text(entry);
        if (text is not null && Is(text, "auto"))
            return CheckpointOptions.Auto;
        // No number means auto.
        return Count(entry, "a whole number or auto") is { } count ? Math.Max(count, -long.MaxValue) : null;
    }

    /// <summary>A number, which may have a fraction.</summary>
    public static double? Number(IConfigurationSection entry)
    {
        string? text = Text(entry);
        return text is null ? null
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : throw new FormatException($"expected a number, found '{text}'.");
    }

    public static int? SmallCount(IConfigurationSection entry) => Count(entry) switch
    {
        null => null,
        >= int.MinValue and <= int.MaxValue and { } value => (int)value,
        { } value => throw new FormatException($"expected at most {int.MaxValue}, found {value}."),
    };

    public static TimeSpan? Time(IConfigurationSection entry)
    {
        string? text = Text(entry);
        if (text is null)
            return null;
        // TimeSpan reads "10" as ten days, which nobody means.
        return text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan value)
            ? value
            : throw new FormatException($"expected a time as hh:mm:ss or d.hh:mm:ss, for example 00:30:00 for half an hour, found '{text}'.");
    }

    /// <summary>One of the values of an option by its name, in any case; the first of them when there is none.</summary>
    public static T Choice<T>(IConfigurationSection entry) where T : struct, Enum
    {
        if (Text(entry) is not { } text)
            return default;
        string[] names = Enum.GetNames<T>();
        return Array.Find(names, name => Is(text, name)) is { } known
            ? Enum.Parse<T>(known)
            : throw new FormatException($"expected {string.Join(", ", names[..^1])} or {names[^1]}".ToLowerInvariant() + $", found '{text}'.");
    }

    /// <summary>A folder or an address; <c>local:</c> in front of it is dropped.</summary>
    public static string? Address(IConfigurationSection entry)
    {
        const string Local = "local:";
        string? text = Text(entry);
        return text?.StartsWith(Local, StringComparison.OrdinalIgnoreCase) == true ? text[Local.Length..] : text;
    }

    /// <summary>A folder or an address as InternLM writes it; an address of a store that is not registered is refused, since its endpoint and keys are the business of a package of its own.</summary>
    public static string? InternLmPath(IConfigurationSection entry)
    {
        string? text = Address(entry);
        return RunStores.IsAddress(text) && !RunStores.IsKnown(text) ? throw new FormatException(RunStores.Unknown(text)) : text;
    }

    /// <summary>Names as a list, or as one value with commas between them.</summary>
    public static string[] Names(IConfigurationSection entry)
    {
        IConfigurationSection[] items = [.. entry.GetChildren()];
        return items.Length == 0
            ? (Text(entry) ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            : [.. items.Select(Text).OfType<string>()];
    }

    public static bool Is(string text, string word) => text.Equals(word, StringComparison.OrdinalIgnoreCase);
}
