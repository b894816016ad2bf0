using Microsoft.Extensions.Configuration;

namespace Cairn.Configuration;

/// <summary>The keys of InternLM's <c>ckpt</c> dictionary that are not an option's own name in snake case.</summary>
internal static class InternLmKeys
{
    public static readonly ConfigurationKey[] All =
    [
        new("save_ckpt_folder", static (entry, reading) =>
            reading.Set("Folder", entry.Path, ConfigurationValues.InternLmPath(entry), static (options, value) => options.Folder = value ?? "")),
        new("enable_save_ckpt", static (entry, reading) =>
            reading.Set("Enabled", entry.Path, ConfigurationValues.Switch(entry), static (options, value) => options.Enabled = value)),
        new("oss_snapshot_freq", ReadSnapshotFrequency),
        new("stop_file_path", static (entry, reading) =>
            reading.Set("StopFile", entry.Path, ConfigurationValues.InternLmPath(entry), static (options, value) => options.StopFile = value)),
        new("async_upload", static (entry, reading) =>
            reading.Set("Asynchronous", entry.Path, ConfigurationValues.Switch(entry), static (options, value) => options.Asynchronous = value)),
        new("async_upload_tmp_folder", static (entry, reading) =>
            reading.UploadFolder = ConfigurationValues.Address(entry) is { } folder ? (entry.Path, folder) : null),
        new("load_ckpt_info", ReadLoadInfo),
        new("load_ckpt_folder", static (entry, reading) =>
            reading.Note($"'{entry.Path}' has no effect: it is InternLM's older name. Name the checkpoint in load_ckpt_info.")),
        new("snapshot_ckpt_folder", static (entry, reading) =>
            reading.Note($"'{entry.Path}' has no effect: snapshots stand in the run's folder, in snapshot/0 and snapshot/1.")),
        // Of InternEvo since 2024.
        new("universal_ckpt", static (entry, reading) =>
            reading.Note($"'{entry.Path}' has no effect: every copy of Cairn can be resumed by any number of ranks.")),
        new("enable_internevo2hf_ckpt", static (entry, reading) =>
            reading.Note($"'{entry.Path}' has no effect: cairn convert --layout huggingface makes Hugging Face's files of any copy.")),
    ];

    /// <summary>What can be understood only when all keys are read: InternLM writes through its temporary folder when it saves to an object store in the background, and not else.</summary>
    public static void Settle(ConfigurationReading reading)
    {
        if (reading.UploadFolder is not { } upload)
            return;
        if (Stores.RunStores.IsAddress(reading.Options.Folder) && reading.Options.Asynchronous)
            reading.Set("FastFolder", upload.Key, upload.Folder, static (options, value) => options.FastFolder = value);
        else
            reading.Note($"'{upload.Key}' has no effect: it is for saves to an object store in the background. A fast folder in front of any run is named by FastFolder.");
    }

    public static void SetParts(string key, string[] parts, ConfigurationReading reading)
    {
        if (parts.Any(part => ConfigurationValues.Is(part, "all")))
            parts = [];
        reading.Set("ResumeParts", key, parts, static (options, value) => options.ResumeParts = [.. value], string.Join(", ", parts));
    }

    // InternLM takes snapshots only for frequencies above 1.
    private static void ReadSnapshotFrequency(IConfigurationSection entry, ConfigurationReading reading)
    {
        long? frequency = ConfigurationValues.Count(entry);
        reading.Set("SnapshotEvery", entry.Path, frequency > 1 ? frequency : 0, static (options, value) => options.SnapshotEvery = value);
    }

    private static void ReadLoadInfo(IConfigurationSection entry, ConfigurationReading reading)
    {
        IConfigurationSection[] items = [.. entry.GetChildren()];
        if (items.Length == 0 && ConfigurationValues.Text(entry) is { } text)
            throw new FormatException($"expected a section with path, content and ckpt_type, found '{text}'.");

        string? path = null, type = null;
        string[] content = [];
        foreach (IConfigurationSection item in items)
        {
            switch (item.Key.ToLowerInvariant())
            {
                case "path":
                    path = ConfigurationValues.InternLmPath(item);
                    break;
                case "content":
                    content = ConfigurationValues.Names(item);
                    break;
                case "ckpt_type":
                    type = ConfigurationValues.Text(item);
                    break;
                default:
                    reading.Fail($"'{item.Path}' is not known. {entry.Key} has path, content and ckpt_type.");
                    break;
            }
        }

        // Without a path InternLM loads nothing, whatever the content says.
        if (path is null)
            return;
        if (IsWeightsOnly(type))
        {
            reading.Note($"'{entry.Path}' has no effect: weights of the kind '{type}' hold no training progress. Load them into the model before training: model.LoadWeights(\"{path}\").");
            return;
        }
        reading.Set("ResumeFrom", entry.Path, path, static (options, value) => options.ResumeFrom = value);
        SetParts(entry.Path, content, reading);
    }

    // InternEvo's names for weights that other programs wrote: llama, hf, hf_llama, hf_model.
    private static bool IsWeightsOnly(string? type)
    {
        if (type is null || ConfigurationValues.Is(type, "internevo") || ConfigurationValues.Is(type, "internlm"))
            return false;
        return type.StartsWith("hf", StringComparison.OrdinalIgnoreCase) || ConfigurationValues.Is(type, "llama")
            ? true
            : throw new FormatException($"ckpt_type '{type}' is not known: 'internevo' and 'internlm' are resumed from; 'llama' and those that begin with 'hf' are weights alone.");
    }
}
