using System.Globalization;

namespace Cairn.Layouts.HuggingFace;

/// <summary>The files that make a folder a model of Hugging Face, as their names say.</summary>
/// <param name="Weights">The one file of weights; <see langword="null"/> when there are several.</param>
/// <param name="Index">The index of several files; <see langword="null"/> when there is one.</param>
/// <param name="Others">All other files: configuration, tokenizer, texts.</param>
internal sealed record ModelFiles(string? Weights, string? Index, IReadOnlyList<string> Others)
{
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
        string[] others = [.. names.Where(name => !IsWeights(name)).Order(StringComparer.Ordinal)];
        if (names.Contains(Safetensors))
            return new ModelFiles(Safetensors, null, others);
        if (names.Contains(SafetensorsIndex))
            return new ModelFiles(null, SafetensorsIndex, others);
        if (names.Contains(Torch))
            return new ModelFiles(Torch, null, others);
        return names.Contains(TorchIndex) ? new ModelFiles(null, TorchIndex, others) : null;
    }

    /// <summary>Whether a name is that of a shard.</summary>
    public static bool IsShard(string name)
    {
        string stem = Path.GetFileNameWithoutExtension(name);
        string[] parts = stem.Split('-');
        return parts is [("model" or "pytorch_model"), [_, _, _, _, _] number, "of", [_, _, _, _, _] count]
            && (name.EndsWith(".safetensors", StringComparison.Ordinal) || name.EndsWith(".bin", StringComparison.Ordinal))
            && !number.AsSpan().ContainsAnyExceptInRange('0', '9') && !count.AsSpan().ContainsAnyExceptInRange('0', '9');
    }

    /// <summary>Whether a name is that of weights or of their index.</summary>
    public static bool IsWeights(string name) => name is Safetensors or SafetensorsIndex or Torch or TorchIndex || IsShard(name);
}
