using System.Globalization;

namespace Cairn.Layouts.HuggingFace;

/// <summary>The files that make a folder a model of Hugging Face, as their names say.</summary>
/// <param name="Weights">The one file of weights; <see langword="null"/> when there are several.</param>
/// <param name="Index">The index of several files; <see langword="null"/> when there is one.</param>
/// <param name="Others">Files that belong to the model whoever reads it: configuration, tokenizer, texts.</param>
/// <param name="Foreign">Weights and states that are none of this model as transformers reads it: of another program, or left over.</param>
internal sealed record ModelFiles(string? Weights, string? Index, IReadOnlyList<string> Others, IReadOnlyList<string> Foreign)
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
        string[] foreign = [.. names.Where(name => HoldsTensors(name) && !IsWeights(name)).Order(StringComparer.Ordinal)];
        if (names.Contains(Safetensors))
            return new ModelFiles(Safetensors, null, others, foreign);
        if (names.Contains(SafetensorsIndex))
            return new ModelFiles(null, SafetensorsIndex, others, foreign);
        if (names.Contains(Torch))
            return new ModelFiles(Torch, null, others, foreign);
        return names.Contains(TorchIndex) ? new ModelFiles(null, TorchIndex, others, foreign) : null;
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

    // Mistral's consolidated.safetensors, TensorFlow's tf_model.h5, the shards of another precision, a Trainer's optimizer.pt.
    private static bool HoldsTensors(string name) => Array.Exists(TensorEndings, ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether a name is that of weights or of their index.</summary>
    public static bool IsWeights(string name) => name is Safetensors or SafetensorsIndex or Torch or TorchIndex || IsShard(name);
}
