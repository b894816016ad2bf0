using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;

namespace Cairn.Interop.Tests;

public sealed class HuggingFaceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cairn-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Models_in_PyTorchs_own_files_are_read_from_one_file_and_from_shards()
    {
        string one = Directory.CreateDirectory(Path.Combine(_folder, "one")).FullName, shards = Directory.CreateDirectory(Path.Combine(_folder, "shards")).FullName;
        Python.Run("make_bin.py", [one, shards]);
        foreach (string path in new[] { one, shards })
        {
            using LoadedCheckpoint loaded = CheckpointReader.Open(path);
            loaded.Source!.Layout.ShouldBe("huggingface");
            StateMap model = loaded.Load("model");
            model.Keys.ShouldBe(["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"], ignoreOrder: true);
            model["lm_head.weight"].ShouldBeSameAs(model["model.embed_tokens.weight"]);
            Floats(model["model.norm.weight"]).ShouldBe([0, 2, 4]);
            Floats(model["lm_head.weight"]).ShouldBe([.. Enumerable.Range(0, 12).Select(i => (float)i)]);
        }
    }

    [Fact]
    public void Casts_round_as_PyTorch_does()
    {
        string path = Path.Combine(_folder, "casts.pt");
        Python.Run("cast.py", [path, "float16", "bfloat16", "float64"]);
        using LoadedCheckpoint loaded = CheckpointReader.Open(path);
        StateMap saved = loaded.Load("model");
        var singles = (StateTensor)saved["float32"];
        foreach (string type in new[] { "float16", "bfloat16", "float64" })
        {
            var expected = (StateTensor)saved[type];
            int size = (int)(expected.ByteLength / expected.Shape[0]);
            byte[] theirs = Bytes(expected), ours = Bytes(CastTensor.Of(singles, expected.Type));
            float[] values = Floats(singles);
            for (int i = 0; i < values.Length; i++)
            {
                // PyTorch's NaN depends on the processor's vectors; what counts is that NaN stays NaN, which the types' own tests show.
                if (!float.IsNaN(values[i]))
                    ours.AsSpan(i * size, size).SequenceEqual(theirs.AsSpan(i * size, size)).ShouldBeTrue($"{values[i]:R} as {type}");
            }
        }
    }

    private static byte[] Bytes(StateNode node)
    {
        byte[] bytes = new byte[((StateTensor)node).ByteLength];
        ((StateTensor)node).CopyTo(0, bytes);
        return bytes;
    }

    private static float[] Floats(StateNode node) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(Bytes(CastTensor.Of((StateTensor)node, TensorType.F32))).ToArray();
}
