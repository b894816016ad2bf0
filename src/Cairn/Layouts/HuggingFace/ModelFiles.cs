using System.Globalization;

namespace Cairn.Layouts.HuggingFace;

/// <summary>The files that make a folder a model of Hugging Face, as their names say.</summary>
/// <param name="Weights">The one file of weights; <see langword="null"/> when there are several.</param>
/// <param name="Index">The index of several files; <see langword="null"/> when there is one, or no index.</param>
/// <param name="Shards">The several files where there is no index, all that their names count; else empty.</param>
/// <param name="Others">Files that belong to the model whoever reads it: configuration, tokenizer, texts.</param>
/// <param name="NotOfModel">Weights and states that are none of this model as transformers reads it: of another program, or left over.</param>
internal sealed record ModelFiles(string? Weights, string? Index, IReadOnlyList<string> Shards, IReadOnlyList<string> Others, IReadOnlyList<string> NotOfModel)
{
    private static readonly string[] TensorEndings = [".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx", ".npz", ".distcp", ".index.json"];

    public const string Safetensors = "model.safetensors";
    public const string SafetensorsIndex = Safetensors + ".index.json";
    public const string Torch = "pytorch_model.bin";
    public const string TorchIndex = Torch + ".index.json";
    public const string Config = "config.json";

    /// <summary>A shard's name, counted from 1.</summary>
    public static string Shard(int number, int count) => string.Create(CultureInfo.InvariantCulture, $"model-{number:00000}-of-{count:00000}.safetensors");

    /// <summary>The model in a folder; safetensors win over pickles, as in transformers. <see langword="null"/> when there is none.</summary>
    public static ModelFiles? Find(IEnumerable<string> fileNames)
    {
        List<string> names = [.. fileNames];
        string[] others = [.. names.Where(name => !HoldsTensors(name)).Order(StringComparer.Ordinal)];
        string[] notOfModel = [.. names.Where(name => HoldsTensors(name) && !IsWeights(name)).Order(StringComparer.Ordinal)];
        string? first = Array.Find([Safetensors, SafetensorsIndex, Torch, TorchIndex], names.Contains);
        if (first is not null)
            return first is Safetensors or Torch ? new ModelFiles(first, null, [], others, notOfModel) : new ModelFiles(null, first, [], others, notOfModel);
        return AllShards(names) is { Length: > 0 } shards ? new ModelFiles(null, null, shards, others, notOfModel) : null;
    }

    // All that the count in their names says, safetensors first; of an unfinished save some are missing.
    private static string[] AllShards(List<string> names) => names.Where(IsShard).Order(StringComparer.Ordinal)
        .GroupBy(name => name.Split('-') is [var stem, .., var count] ? (stem, count) : default)
        .OrderByDescending(shards => Path.GetExtension(shards.Key.count), StringComparer.Ordinal)
        .Select(shards => shards.ToArray())
        .FirstOrDefault(shards => NumberOf(shards[0]) == 1 && NumberOf(shards[^1]) == shards.Length && CountOf(shards[0]) == shards.Length) ?? [];

    private static int NumberOf(string shard) => int.Parse(shard.Split('-')[1], CultureInfo.InvariantCulture);

    private static int CountOf(string shard) => int.Parse(Path.GetFileNameWithoutExtension(shard).Split('-')[3], CultureInfo.InvariantCulture);

    /// <summary>Whether a name is that of a shard.</summary>
    public static bool IsShard(string name)
    {
        string stem = Path.GetFileNameWithoutExtension(name);
        string[] parts = stem.Split('-');
        return parts is [("model" or "pytorch_model"), [_, _, _, _, _] number, "of", [_, _, _, _, _] count]
            && (name.EndsWith(".safetensors", StringComparison.Ordinal) || name.EndsWith(".bin", StringComparison.Ordinal))
            && !number.AsSpan().ContainsAnyExceptInRange('0', '9') && !count.AsSpan().ContainsAnyExceptInRange('0', '9');
    }

    // Mistral's consolidated.safetensors, TensorFlow's tf_model.h5, the shards of another precision, a Trainer's optimizer.pt.
    private static bool HoldsTensors(string name) => Array.Exists(TensorEndings, ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether a name is that of weights or of their index.</summary>
    public static bool IsWeights(string name) => name is Safetensors or SafetensorsIndex or Torch or TorchIndex || IsShard(name);
}
