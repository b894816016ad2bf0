using System.CommandLine;

namespace Cairn.Cli.Input;

/// <summary>Options whose values are sizes, times or counts with their units.</summary>
internal static class QuantityOption
{
    public static Option<long?> Bytes(string name, string description) => Of<long?>(name, description, "BYTES", text => QuantityText.Bytes(text));

    public static Option<double?> Rate(string name, string description) => Of<double?>(name, description, "RATE", text => QuantityText.Rate(text));

    public static Option<TimeSpan?> Time(string name, string description) => Of<TimeSpan?>(name, description, "TIME", text => QuantityText.Time(text));

    public static Option<long?> Count(string name, string description) => Of<long?>(name, description, "NUMBER", text => QuantityText.Count(text));

    public static Option<double?> Share(string name, string description) => Of<double?>(name, description, "PERCENT", text => QuantityText.Share(text));

    private static Option<T> Of<T>(string name, string description, string valueName, Func<string, T> read) => new(name)
    {
        Description = description,
        HelpName = valueName,
        CustomParser = result =>
        {
            try
            {
                return read(result.Tokens.Count == 1 ? result.Tokens[0].Value : "");
            }
            catch (FormatException problem)
            {
                result.AddError($"{name}: {problem.Message}");
                return default!;
            }
        },
    };
}
