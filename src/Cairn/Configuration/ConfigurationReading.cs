namespace Cairn.Configuration;

/// <summary>One pass over a section: the options so far, who set them, and what is to be said about it.</summary>
internal sealed class ConfigurationReading(CheckpointOptions options)
{
    private readonly Dictionary<string, (string Key, object? Value)> _set = new(StringComparer.Ordinal);
    private readonly List<string> _failures = [], _notes = [];

    public CheckpointOptions Options { get; } = options;
    public IReadOnlyList<string> Failures => _failures;
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>The key and value of InternLM's folder for uploads, whose meaning depends on where the run lives.</summary>
    public (string Key, string Folder)? UploadFolder { get; set; }

    /// <summary>InternLM's address for alerts, and whether it is used.</summary>
    public (string Key, string Address)? FeishuAddress { get; set; }

    /// <summary>Whether InternLM's address for alerts is used.</summary>
    public bool UsesFeishu { get; set; } = true;

    public void Fail(string failure) => _failures.Add(failure);
    public void Note(string note) => _notes.Add(note);

    /// <summary>Sets an option, unless another key has already given it another value. <paramref name="comparable"/> stands for the value where it has no equality.</summary>
    public void Set<T>(string option, string key, T value, Action<CheckpointOptions, T> assign, object? comparable = null)
    {
        comparable ??= value;
        if (_set.TryGetValue(option, out (string Key, object? Value) earlier) && !Equals(earlier.Value, comparable))
        {
            Fail($"'{earlier.Key}' and '{key}' both set {option}, to '{earlier.Value ?? "none"}' and '{comparable ?? "none"}'. Keep one of them.");
            return;
        }
        _set[option] = (key, comparable);
        assign(Options, value);
    }
}
