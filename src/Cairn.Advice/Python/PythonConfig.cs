using System.Globalization;

namespace Cairn.Advice.Python;

/// <summary>
/// The constants of a Python configuration file such as InternLM's: literals, lists, tuples, <c>dict(…)</c> and <c>{…}</c>, names defined before, and
/// arithmetic on them. Nothing is executed. What cannot be told without executing is left out, and <see cref="Problems"/> says where.
/// </summary>
internal sealed class PythonConfig
{
    private const int MostValues = 10_000, LongestPath = 1000;

    private readonly Dictionary<string, object?> _values;

    private PythonConfig(Dictionary<string, object?> values, IReadOnlyList<string> problems) => (_values, Problems) = (values, problems);

    /// <summary>What was left out, each with its line.</summary>
    public IReadOnlyList<string> Problems { get; }

    /// <summary>The names that were defined.</summary>
    public IReadOnlyCollection<string> Names => _values.Keys;

    /// <summary>Reads a file's text. Never fails on what it holds.</summary>
    public static PythonConfig Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var parser = new PythonParser(new PythonTokenizer(source).Run());
        parser.Run();
        return new PythonConfig(parser.Values, parser.Problems);
    }

    /// <summary>
    /// A dictionary of the file as configuration values: <c>key</c>, <c>key:inner</c>, <c>list:0</c>. <see langword="null"/> when the file defines no
    /// such dictionary. Values are written as JSON writes them; infinity is <c>inf</c>, and a whole float is a whole number.
    /// </summary>
    public IReadOnlyDictionary<string, string?>? Section(string name)
    {
        if (!_values.TryGetValue(name, out object? value) || value is not Dictionary<string, object?> section)
            return null;
        var flat = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach ((string key, object? inner) in section)
            Flatten(inner, key, flat);
        return flat;
    }

    // A dictionary may hold one defined before it twice, and that one another.
    private static void Flatten(object? value, string path, Dictionary<string, string?> flat)
    {
        if (flat.Count >= MostValues || path.Length > LongestPath)
            return;
        switch (value)
        {
            case Dictionary<string, object?> map:
                foreach ((string key, object? inner) in map)
                    Flatten(inner, $"{path}:{key}", flat);
                break;
            case List<object?> list:
                for (int i = 0; i < list.Count; i++)
                    Flatten(list[i], string.Create(CultureInfo.InvariantCulture, $"{path}:{i}"), flat);
                break;
            case PythonUnread:
                break;
            default:
                flat[path] = Text(value);
                break;
        }
    }

    private static string? Text(object? value) => value switch
    {
        null => null,
        bool flag => flag ? "true" : "false",
        double.PositiveInfinity => "inf",
        double.NegativeInfinity => "-inf",
        double number when Math.Floor(number) == number && Math.Abs(number) < 1e15 => number.ToString("0", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString(),
    };
}
