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

    /// <summary>The variant that is read, such as <c>fp16</c>; empty for none.</summary>
    public string Variant { get; private init; } = "";

    /// <summary>Variants of the weights where there are several and none without one, so that nothing says which is meant; else empty.</summary>
    public IReadOnlyList<string> Variants { get; private init; } = [];

    /// <summary>Whether these are an adapter's weights.</summary>
    public bool IsAdapter { get; private init; }

    /// <summary>
    /// The model in a folder, as transformers, diffusers and PEFT look for it: safetensors win over pickles, a whole file over an index, and weights over a variant of them. <see langword="null"/> when there is none.
    /// </summary>
    public static ModelFiles? Find(IEnumerable<string> fileNames)
    {
        List<string> names = [.. fileNames];
        (string Name, WeightsFileName Form)[] weights = [.. names.Select(name => (Name: name, Form: WeightsFileName.Parse(name)!)).Where(file => file.Form is not null)];
        (string Name, WeightsFileName Form)[] chosen = WholeOrIndexed(weights) is { Name: not null } first ? [first] : AllShards(weights);
        if (chosen.Length == 0)
            return null;
        WeightsFileName form = chosen[0].Form;
        string[] others = [.. names.Where(name => !HoldsTensors(name)).Order(StringComparer.Ordinal)];
        string[] notOfModel = [.. names.Where(name => HoldsTensors(name) && WeightsFileName.Parse(name)?.IsOfSameModel(form) != true).Order(StringComparer.Ordinal)];
        string? weightsName = form is { IsIndex: false, IsShard: false } ? chosen[0].Name : null, index = form.IsIndex ? chosen[0].Name : null;
        return new ModelFiles(weightsName, index, form.IsShard ? [.. chosen.Select(file => file.Name)] : [], others, notOfModel)
        {
            Variant = form.Variant,
            Variants = form.Variant.Length > 0 ? VariantsOf(weights, form.Stem) : [],
            IsAdapter = form.Stem == WeightsFileName.Adapter,
        };
    }

    private static string[] VariantsOf((string Name, WeightsFileName Form)[] weights, string stem)
    {
        string[] variants = [.. weights.Where(file => file.Form.Stem == stem).Select(file => file.Form.Variant).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return variants.Length > 1 ? variants : [];
    }

    private static (string Name, WeightsFileName Form) WholeOrIndexed((string Name, WeightsFileName Form)[] weights) => weights.Where(file => !file.Form.IsShard)
        .OrderBy(file => file.Form.Variant.Length > 0).ThenBy(file => file.Form.Rank).ThenBy(file => file.Form.IsIndex).ThenBy(file => file.Name, StringComparer.Ordinal).FirstOrDefault();

    // All that the count in their names says, safetensors first; of an unfinished save some are missing.
    private static (string Name, WeightsFileName Form)[] AllShards((string Name, WeightsFileName Form)[] weights) => weights.Where(file => file.Form.IsShard)
        .GroupBy(file => file.Form with { Number = 0 })
        .Where(shards => shards.Select(file => file.Form.Number).Order().SequenceEqual(Enumerable.Range(1, shards.Key.Count)))
        .OrderBy(shards => shards.Key.Variant.Length > 0).ThenByDescending(shards => shards.Key.Ending, StringComparer.Ordinal).ThenBy(shards => shards.Key.Rank)
        .Select(shards => shards.OrderBy(file => file.Form.Number).ToArray())
        .FirstOrDefault() ?? [];

    /// <summary>Whether a name is that of a shard.</summary>
    public static bool IsShard(string name) => WeightsFileName.Parse(name) is { IsShard: true };

    /// <summary>Whether a file holds tensors, by its name: Mistral's consolidated.safetensors, TensorFlow's tf_model.h5, the shards of another precision, a Trainer's optimizer.pt.</summary>
    public static bool HoldsTensors(string name) => Array.Exists(TensorEndings, ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether a name is that of weights or of their index.</summary>
    public static bool IsWeights(string name) => WeightsFileName.Parse(name) is not null;
}
