using System.Text.Json;
using Cairn.Conversion;
using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.Renaming;
using Cairn.Opening;
using Cairn.State;

namespace Cairn.Interop.Tests;

/// <summary>A converted model computes what it computed before, by an independent implementation of each architecture in PyTorch.</summary>
public sealed class RenamingTests : IDisposable
{
    private const int Vocabulary = 11, HeadSize = 6, Inner = 20;
    private static readonly int[] Tokens = [3, 1, 4, 1, 5, 9, 2];

    private readonly string _folder = Directory.CreateTempSubdirectory("cairn-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_model_of_InternLM2_gives_the_same_logits_as_Llama_and_after_the_way_back()
    {
        Python.Require();
        (int Heads, int KeyHeads, bool Half, long MaxShardBytes)[] cases = [(4, 2, true, 1_000_000), (4, 4, true, 2_000), (6, 1, true, 900), (4, 2, false, 1_000_000)];
        List<object> jobs = [];
        for (int i = 0; i < cases.Length; i++)
        {
            (int heads, int keyHeads, bool half, long maxShardBytes) = cases[i];
            string one = InFolder($"{i}.pt"), llama = InFolder($"llama{i}"), back = InFolder($"back{i}.pt");
            Save(Model(heads, keyHeads), one);
            RenamingParameters parameters = new RenamingParameters().With("num_attention_heads", heads).With("num_kv_attention_heads", keyHeads).With("adapt_hf", half);
            Convert(one, llama, "huggingface", "internlm2-to-llama", parameters, maxShardBytes);
            Convert(llama, back, "torch", "llama-to-internlm2", parameters, maxShardBytes);
            foreach ((string path, string architecture, bool neighbours) in new[] { (one, "internlm2", !half), (llama, "llama", false), (back, "internlm2", !half) })
                jobs.Add(new { path, architecture, heads, key_heads = keyHeads, neighbours, tokens = Tokens });
        }
        File.WriteAllText(InFolder("jobs.json"), JsonSerializer.Serialize(jobs));
        float[][] logits = [.. Python.Run("logits.py", [InFolder("jobs.json")]).TrimEnd().Split('\n').Select(line => JsonSerializer.Deserialize<float[]>(line)!)];
        logits.Length.ShouldBe(3 * cases.Length);
        for (int i = 0; i < logits.Length; i += 3)
        {
            Difference(logits[i], logits[i + 1]).ShouldBeLessThan(1e-5f);
            Difference(logits[i], logits[i + 2]).ShouldBe(0);
            // The logits depend on all of it, or the test would prove nothing.
            logits[i].Distinct().Count().ShouldBeGreaterThan(Vocabulary * Tokens.Length / 2);
        }
    }

    private static void Convert(string from, string to, string layout, string rules, RenamingParameters parameters, long maxShardBytes)
    {
        using LoadedCheckpoint source = CheckpointReader.Open(from);
        CheckpointConversion.Plan(source, to, new ConversionOptions { Layout = layout, Rules = RenamingRules.Load(rules), Parameters = parameters, MaxShardBytes = maxShardBytes }).Run();
    }

    private static float Difference(float[] one, float[] two)
    {
        one.Length.ShouldBe(Tokens.Length * Vocabulary);
        two.Length.ShouldBe(one.Length);
        return one.Zip(two, (a, b) => Math.Abs(a - b)).Max();
    }

    private static StateMap Model(int heads, int keyHeads)
    {
        var random = new Random(5);
        int hidden = heads * HeadSize;
        StateMap model = new() { ["tok_embeddings.weight"] = Weight(Vocabulary, hidden) };
        for (int layer = 0; layer < 2; layer++)
        {
            model[$"layers.{layer}.attention.wqkv.weight"] = Weight((heads + 2 * keyHeads) * HeadSize, hidden);
            model[$"layers.{layer}.attention.wo.weight"] = Weight(hidden, hidden);
            model[$"layers.{layer}.feed_forward.w1.weight"] = Weight(Inner, hidden);
            model[$"layers.{layer}.feed_forward.w2.weight"] = Weight(hidden, Inner);
            model[$"layers.{layer}.feed_forward.w3.weight"] = Weight(Inner, hidden);
            model[$"layers.{layer}.attention_norm.weight"] = Weight(hidden);
            model[$"layers.{layer}.ffn_norm.weight"] = Weight(hidden);
        }
        model["norm.weight"] = Weight(hidden);
        model["output.weight"] = Weight(Vocabulary, hidden);
        return model;

        MemoryTensor Weight(params long[] shape)
        {
            byte[] bytes = new byte[TensorType.F32.ByteLength(shape)];
            for (int i = 0; i < bytes.Length; i += 4)
                BitConverter.TryWriteBytes(bytes.AsSpan(i), (float)(random.NextDouble() - 0.5) * (shape.Length == 1 ? 2 : 0.6f));
            return new MemoryTensor(TensorType.F32, shape, bytes);
        }
    }

    private static void Save(StateMap model, string path)
    {
        using FileStream file = File.Create(path);
        TorchFileWriter.Plan(TorchTree.FromState(model), "internlm2").WriteTo((bytes, _, _) => file.Write(bytes));
    }

    private string InFolder(string name) => Path.Combine(_folder, name);
}
