using System.CommandLine;
using System.Text;
using Cairn.Cli;
using Cairn.Cli.Output;
using Cairn.Cli.Verbs;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Interop.Tests;

/// <summary>What every verb does with a checkpoint of every kind, which PyTorch and the programs' own forms made: the table of <c>docs/formats.md</c>, each cell tried.</summary>
public sealed class KindTableTests : IDisposable
{
    private const string Weights = "weights.safetensors";
    private const string Yes = "yes", TheModel = "the model", None = "–", Begin = "<!-- kinds -->\n", End = "<!-- /kinds -->";
    private static readonly string[] Verbs = ["ls", "show", "verify", "stats", "diff", "convert", "prune", "ResumeFrom"];

    // The title, one checkpoint, and the folder of several where there is one. A step is 500 where the kind has one.
    private static readonly (string Title, string Path, string? Several, string Truth)[] Kinds =
    [
        ("weights of `torch.save`", "weights.pt", null, Weights),
        ("a training state of `torch.save`", "training.pt", null, Weights),
        ("the same, packed with gzip", "training.pt.gz", null, Weights),
        ("the same in the format before 1.6", "older.pt", null, Weights),
        ("a whole module of `torch.save`", "module.pt", null, Weights),
        ("a program of `torch.jit.save`, its tensors", "script.pt", null, Weights),
        ("Lightning's `.ckpt`, with objects among the hyper-parameters", "lightning.ckpt", null, Weights),
        ("a `.safetensors` file", "weights.safetensors", null, Weights),
        ("Cairn", "cairn/500", "cairn", Weights),
        ("Cairn in InternLM's files", "internlm/500", "internlm", Weights),
        ("a model of Hugging Face", "hf", null, Weights),
        ("the same in shards of `.bin`", "hf_bin", null, Weights),
        ("an adapter of PEFT", "peft", null, Weights),
        ("a model of diffusers, a variant", "diffusers", null, Weights),
        ("a step of transformers' Trainer", "trainer/checkpoint-500", "trainer", Weights),
        ("accelerate", "accelerate", null, Weights),
        ("a distributed checkpoint", "dcp/step-500", "dcp", Weights),
        ("torchtitan's", "titan/step-500", "titan", Weights),
        ("XTuner 1", "xtuner/ckpt-step-500", "xtuner", Weights),
        ("XTuner 1, model and optimizer apart", "xtuner_older/ckpt-step-500", "xtuner_older", Weights),
        ("a distributed checkpoint in safetensors", "shards", null, Weights),
        ("a step of DeepSpeed, ZeRO 1 and 2", "zero2/global_step500", "zero2", Weights),
        ("a step of DeepSpeed, ZeRO 3", "zero3/global_step500", "zero3", Weights),
        ("DeepSpeed, two tensor-parallel ranks", "deepspeed_ranks/global_step500", "deepspeed_ranks", "megatron_whole.pt"),
        ("DeepSpeed, a mixture of experts", "deepspeed_moe/global_step500", "deepspeed_moe", "moe_whole.pt"),
        ("a universal checkpoint of DeepSpeed", "universal/global_step500_universal", "universal", Weights),
        ("a step of Megatron-LM", "megatron/iter_0000500", "megatron", Weights),
        ("Megatron-LM, two tensor-parallel ranks and two stages", "megatron_ranks/iter_0000500", "megatron_ranks", "megatron_whole.pt"),
        ("a distributed checkpoint of Megatron-LM", "megatron_dist/iter_0000500", "megatron_dist", "megatron_whole.pt"),
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_cell_of_the_table_is_what_happens()
    {
        Make();
        var table = new StringBuilder($"| | {string.Join(" | ", Verbs.Select(verb => $"`{verb}`"))} |\n|{string.Concat(Enumerable.Repeat(" --- |", Verbs.Length + 1))}\n");
        foreach ((string title, string path, string? several, string truth) in Kinds)
        {
            ShouldHoldTheWeights(path, truth);
            string converted = At($"converted-{path.Replace('/', '-')}.pt");
            // It is read back and compared by the verb itself, and compared once more by the next one.
            string convert = Cell("convert", [At(path), converted, "--layout", "torch"], "read back and compared");
            string[] cells =
            [
                Cell("ls", [several is null ? At(path) : At(several)], several is null ? "" : "500"), Cell("show", [At(path)], "model"), Cell("verify", [At(path)], "good"), Cell("stats", [At(path)], truth == "megatron_whole.pt" ? "word_embeddings" : "0.weight"),
                Cell("diff", [At(path), converted, "--part", "model"], "identical"), convert, several is null ? None : Cell("prune", [At(several), "--keep-last", "2"], "500"), await ResumeAsync(path, truth),
            ];
            table.Append($"| {title} | {string.Join(" | ", cells)} |\n");
        }
        Check(table.ToString());
    }

    private string At(string path) => Path.Combine(_folder.Path, path);

    private void Make()
    {
        Python.Run("make_kinds.py", [_folder.Path]);
        Well("convert", At("training.pt"), At("cairn"), "--layout", "cairn", "--step", "500");
        Well("convert", At("training.pt"), At("internlm"), "--layout", "internlm", "--step", "500");
        Well("convert", At("weights.pt"), At("shards"), "--layout", "dcp-safetensors", "--ranks", "2");
        // PyTorch before 2.2 does not write these by a single process.
        if (Directory.Exists(At("dcp")))
            return;
        Well("convert", At("training.pt"), At("dcp/step-500"), "--layout", "dcp", "--ranks", "2");
        Well("convert", At("zero2/global_step500"), At("titan/step-500"), "--layout", "dcp", "--ranks", "2", "--form", "torchtitan");
        foreach (int step in (int[])[400, 500])
        {
            Well("convert", At("megatron_whole.pt"), At($"cores-{step}"), "--layout", "dcp", "--ranks", "2", "--part", "model", "--form", "torchtitan");
            foreach (string file in Directory.GetFiles(At($"cores-{step}")))
                File.Move(file, At($"megatron_dist/iter_0000{step}/{Path.GetFileName(file)}"));
            Well("convert", At("training.pt"), At($"xtuner/ckpt-step-{step}/weights"), "--layout", "dcp", "--ranks", "2", "--part", "model", "--part", "optimizer");
            Well("convert", At("training.pt"), At($"xtuner_older/ckpt-step-{step}/model"), "--layout", "dcp", "--ranks", "2", "--part", "model", "--form", "torchtitan");
        }
    }

    // Whatever stands around them, and whatever their names begin with.
    private void ShouldHoldTheWeights(string path, string of)
    {
        using LoadedCheckpoint truth = CheckpointReader.Open(At(of)), loaded = CheckpointReader.Open(At(path));
        Dictionary<string, StateTensor> model = Tensors(loaded.Load("model")).ToDictionary(tensor => tensor.Name, tensor => tensor.Tensor, StringComparer.Ordinal);
        foreach ((string name, StateTensor weight) in Tensors(truth.Load("model")))
        {
            StateTensor found = model.Single(tensor => tensor.Key == name || tensor.Key.EndsWith("." + name, StringComparison.Ordinal)).Value;
            found.Shape.ShouldBe(weight.Shape, $"{path}: {name}");
            Bytes(found).ShouldBe(Bytes(weight), $"{path}: {name}");
        }
    }

    private static IEnumerable<(string Name, StateTensor Tensor)> Tensors(StateMap map, string prefix = "") => map.SelectMany(entry => entry.Value switch
    {
        StateTensor tensor => [(prefix + entry.Key, tensor)],
        StateMap inner => Tensors(inner, $"{prefix}{entry.Key}."),
        _ => Enumerable.Empty<(string, StateTensor)>(),
    });

    private static byte[] Bytes(StateTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        return bytes;
    }

    private static string Cell(string verb, string[] arguments, string said)
    {
        (int code, string output) = Run(verb, arguments);
        string yes = Yes;
        if (code != ExitCode.Good && verb is "stats" or "convert")
        {
            (code, output) = Run(verb, [.. arguments, "--part", "model"]);
            yes = TheModel;
        }
        if (code != ExitCode.Good)
            return "no";
        output.ShouldContain(said, Case.Sensitive, $"{verb} {string.Join(' ', arguments)}");
        return yes;
    }

    private static void Well(string verb, params string[] arguments)
    {
        (int code, string output) = Run(verb, arguments);
        code.ShouldBe(ExitCode.Good, $"{verb} {string.Join(' ', arguments)}\n{output}");
    }

    private static (int Code, string Output) Run(string verb, string[] arguments)
    {
        Verb own = CommandLine.Verbs().Single(candidate => candidate.Create().Name == verb);
        ParseResult parsed = own.Create().Parse(arguments);
        parsed.Errors.ShouldBeEmpty();
        using var output = new StringWriter();
        try
        {
            return (own.RunAgain(parsed, new Screen(output, output, isTerminal: false, json: false), TestContext.Current.CancellationToken), output.ToString());
        }
        catch (Exception e) when (e is CheckpointException or WrongUseException)
        {
            return (ExitCode.CouldNot, output + e.Message);
        }
    }

    private async Task<string> ResumeAsync(string path, string truth)
    {
        var part = new Holder();
        var train = new TrainState();
        try
        {
            await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(
                new CheckpointOptions { Folder = At($"run-{path.Replace('/', '-')}"), CheckpointEvery = 100, ResumeFrom = At(path), ResumeParts = ["model"], HandleSignals = false },
                train, [part], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
        }
        catch (CheckpointException)
        {
            return "no";
        }
        Tensors(part.Restored.ShouldNotBeNull(path)).Count().ShouldBe(truth == Weights ? 5 : truth == "moe_whole.pt" ? 9 : 44, path);
        return Yes;
    }

    private static void Check(string table)
    {
        string docs = Repository("docs/formats.md"), text = File.ReadAllText(docs);
        int begin = text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length, end = text.IndexOf(End, StringComparison.Ordinal);
        if (Environment.GetEnvironmentVariable("CAIRN_UPDATE_GOLDEN") == "1")
            File.WriteAllText(docs, text[..begin] + table + text[end..]);
        else
            text[begin..end].ShouldBe(table, "docs/formats.md differs; set CAIRN_UPDATE_GOLDEN=1 to write it anew.");
    }

    private static string Repository(string file, [System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "../..", file);

    /// <summary>A model that takes whatever it is given.</summary>
    private sealed class Holder : IStatePart
    {
        public StateMap? Restored { get; private set; }
        public string Name => "model";
        public StateMap Capture() => [];
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) => Restored = saved;
    }
}
