using System.Runtime.CompilerServices;
using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Cli.Tests.Samples;

/// <summary>Folders as other programs leave them behind.</summary>
internal static class SampleFolders
{
    /// <summary>Four ranks' distributed checkpoint, written by PyTorch.</summary>
    public static string Distributed([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Join(Path.GetDirectoryName(here), "../../Cairn.Interop.Tests/fixtures/distributed"));

    /// <summary>A run of InternLM: checkpoints of 100 and 200, the second without its marker; snapshots of 150 and 180.</summary>
    public static string InternLm(string folder)
    {
        foreach ((string name, long step) in new[] { ("100", 100L), ("200", 200L), ("snapshot/0", 150L), ("snapshot/1", 180L) })
        {
            string copy = Path.Join(folder, name);
            Directory.CreateDirectory(copy);
            Torch(Path.Join(copy, "model_tp0_pp0.pt"), SampleState.Model(step));
            Torch(Path.Join(copy, "context.pt"), new StateMap { ["batch_count"] = step + 1, ["step_count"] = step, ["inf_nan_skip_batches"] = 1L, ["num_consumed_tokens"] = step * 4096 });
            if (step != 200)
                Torch(Path.Join(copy, $"{step}.step"), new StateMap { ["step"] = step });
        }
        return folder;
    }

    /// <summary>The reported case: <c>train.log</c> of a run of InternLM in which one batch overflowed, and beside it the folder that it saved to.</summary>
    public static void ReportedCase(string folder)
    {
        var training = new InternLmTraining(LogForm.Evo) { OverflowAt = [300], Folder = "local:llm_ckpts" };
        training.Start(ranks: 2);
        training.Train();
        File.WriteAllLines(Path.Join(folder, "train.log"), training.Lines);
        foreach (string marker in training.Markers.Select(marker => Path.Join(folder, "llm_ckpts", marker)))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(marker)!);
            File.WriteAllText(marker, "");
        }
    }

    /// <summary>Checkpoints of transformers' Trainer: 500, 1000 and 1500, the last without its state; 500 is the best.</summary>
    public static string Trainer(string folder)
    {
        foreach (long step in new[] { 500L, 1000L, 1500L })
        {
            string copy = Path.Join(folder, $"checkpoint-{step}");
            Directory.CreateDirectory(copy);
            Safetensors(Path.Join(copy, "model.safetensors"), SampleState.Model(step));
            File.WriteAllText(Path.Join(copy, "config.json"), "{}\n");
            Torch(Path.Join(copy, "optimizer.pt"), new StateMap { ["state"] = new StateMap() });
            if (step != 1500)
                File.WriteAllText(Path.Join(copy, "trainer_state.json"), $$"""{"global_step": {{step}}, "best_model_checkpoint": "out/checkpoint-500"}""" + "\n");
        }
        return folder;
    }

    /// <summary>Loose files of PyTorch: steps 100, 200 and 300, the second cut short, and one without a step.</summary>
    public static string TorchFiles(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (long step in new[] { 100L, 200L, 300L })
            Torch(Path.Join(folder, $"model_step{step}.pt"), new StateMap { ["model"] = SampleState.Model(step), ["epoch"] = 3L });
        using (FileStream cut = File.OpenWrite(Path.Join(folder, "model_step200.pt")))
            cut.SetLength(cut.Length - 50);
        Torch(Path.Join(folder, "best.pth"), SampleState.Model(1));
        return folder;
    }

    /// <summary>A file of PyTorch.</summary>
    public static void Torch(string path, StateMap state)
    {
        using FileStream file = File.Create(path);
        TorchFileWriter.Plan(TorchTree.FromState(state), "archive").WriteTo((bytes, _, _) => file.Write(bytes));
    }

    /// <summary>A safetensors file.</summary>
    public static void Safetensors(string path, StateMap state)
    {
        // The format has no ties.
        IEnumerable<KeyValuePair<string, StateTensor>> tensors = state.DistinctBy(entry => entry.Value).Select(entry => KeyValuePair.Create(entry.Key, (StateTensor)entry.Value));
        using FileStream file = File.Create(path);
        SafetensorsWriter.Plan([.. tensors], new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" }).WriteTo((bytes, _, _) => file.Write(bytes));
    }
}
