using System.Text.Json;
using Cairn.Advice.Python;
using Cairn.Configuration;
using Cairn.Stores;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Cairn.Cli.Input;

/// <summary>A configuration to be judged.</summary>
/// <param name="Path">Its file.</param>
/// <param name="Section">Where in the file it stands; empty for the whole of it.</param>
/// <param name="Options">What it says.</param>
/// <param name="Notes">What was accepted and has no effect.</param>
/// <param name="Failures">What cannot be understood or used; the rest is in <paramref name="Options"/> all the same.</param>
internal sealed record OptionsFile(string Path, string Section, CheckpointOptions Options, IReadOnlyList<string> Notes, IReadOnlyList<string> Failures)
{
    private const int LargestFile = 16 << 20;

    /// <summary>Reads a file: JSON with the options, or with a section that has them; or a Python configuration of InternLM with its <c>ckpt = dict(…)</c>.</summary>
    /// <exception cref="WrongUseException">It is neither, or no options are in it.</exception>
    public static OptionsFile Read(string path)
    {
        if (!File.Exists(path))
            throw new WrongUseException($"There is no file {path}. Give the file with the options.");
        string text;
        try
        {
            using var reader = new StreamReader(new MemoryStream(NamedInput.Read(path, LargestFile)));
            text = reader.ReadToEnd();
        }
        catch (IOException e)
        {
            throw new WrongUseException($"{path} cannot be read as a configuration: {e.Message}");
        }
        return path.EndsWith(".py", StringComparison.OrdinalIgnoreCase) || !text.AsSpan().TrimStart().StartsWith("{") ? ReadPython(path, text) : ReadJson(path, text);
    }

    private static OptionsFile ReadPython(string path, string text)
    {
        PythonConfig config = PythonConfig.Parse(text);
        if (config.Section("ckpt") is not { } section)
            throw new WrongUseException($"{path} is neither JSON nor a Python file with ckpt = dict(…).{string.Concat(config.Problems.Take(3).Select(problem => $" {problem}."))}");
        var values = new Dictionary<string, string?>(section, StringComparer.OrdinalIgnoreCase);
        // InternLM has the length of the run with the data.
        if (config.Section("data")?.GetValueOrDefault("total_steps") is { } steps)
            values.TryAdd("total_steps", steps);
        OptionsFile file = Bind(path, new Dictionary<string, string?>(values.Select(value => KeyValuePair.Create(Join("ckpt", value.Key), value.Value)), StringComparer.OrdinalIgnoreCase));
        return file with { Notes = [.. file.Notes, .. Frequencies(file.Options, values), .. config.Problems] };
    }

    // What people ask who have both, and what differs for those who have one.
    private static IEnumerable<string> Frequencies(CheckpointOptions options, Dictionary<string, string?> values)
    {
        if (options is not { Enabled: true, CheckpointEvery: > 0 and long every })
            yield break;
        if (!values.ContainsKey("oss_snapshot_freq"))
            yield return $"oss_snapshot_freq is not set: InternEvo then takes no snapshots, and Cairn takes one every {Output.Units.Of(options.SnapshotSteps ?? 0, "step")}. Set it to 0 for none.";
        else if (options.SnapshotSteps is > 0 and long snapshots)
            yield return $"Both frequencies count: every {Output.Units.Of(every, "step")} (checkpoint_every) a checkpoint, which has its own folder and stays; every {Output.Units.Of(snapshots, "step")} (oss_snapshot_freq) a snapshot, of which the last two are there. Where both are due, it is a checkpoint.";
    }

    private static OptionsFile ReadJson(string path, string text)
    {
        var values = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            Flatten(document.RootElement, "", values);
        }
        catch (JsonException e)
        {
            throw new WrongUseException($"{path} is not JSON: {e.Message}");
        }
        return Bind(path, values);
    }

    private static OptionsFile Bind(string path, Dictionary<string, string?> values)
    {
        IConfigurationRoot root = new ConfigurationBuilder().AddInMemoryCollection(values).Build();
        IConfiguration section = Find(root)
            ?? throw new WrongUseException($"{path} holds no checkpoint options, such as CheckpointEvery or checkpoint_every, in any of its sections.");
        string name = (section as IConfigurationSection)?.Path ?? "";
        var options = new CheckpointOptions();
        try
        {
            return new OptionsFile(path, name, options, CheckpointConfiguration.Bind(section, options), []);
        }
        catch (OptionsValidationException e)
        {
            return new OptionsFile(path, name, options, [], [.. e.Failures]);
        }
    }

    // The section nearest to the root that has a known key.
    private static IConfiguration? Find(IConfiguration root)
    {
        Queue<IConfiguration> open = new([root]);
        while (open.TryDequeue(out IConfiguration? section))
        {
            IConfigurationSection[] children = [.. section.GetChildren()];
            if (children.Any(child => ConfigurationKeys.TryFind(child.Key, out _)))
                return section;
            foreach (IConfigurationSection child in children)
                open.Enqueue(child);
        }
        return null;
    }

    private static void Flatten(JsonElement element, string path, Dictionary<string, string?> values)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                    Flatten(property.Value, Join(path, property.Name), values);
                break;
            case JsonValueKind.Array:
                int index = 0;
                foreach (JsonElement item in element.EnumerateArray())
                    Flatten(item, Join(path, Output.Units.Plain(index++)), values);
                break;
            default:
                values[path] = element.ValueKind == JsonValueKind.Null ? null : element.ToString();
                break;
        }
    }

    private static string Join(string path, string key) => path.Length == 0 ? key : ConfigurationPath.Combine(path, key);
}
