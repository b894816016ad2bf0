using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Input;
using Cairn.Cli.Output;
using Cairn.Conversion;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.PyTorch;
using Cairn.Layouts.Renaming;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Cli.Verbs;

/// <summary><c>cairn convert</c>: from any layout into another.</summary>
internal sealed class ConvertVerb : Verb
{
    private static readonly (string Name, TensorType Type)[] Types = [("fp64", TensorType.F64), ("fp32", TensorType.F32), ("fp16", TensorType.F16), ("bf16", TensorType.BF16)];

    // What a folder of PyTorch's distributed checkpoint can be read by: most jobs with FSDP, XTuner among them; torchtitan.
    private static readonly (string Name, DistributedForm Form)[] Forms = [("state-dict", DistributedForm.StateDict), ("torchtitan", DistributedForm.TorchTitan)];

    private readonly Argument<string> _source = new("src") { Description = "A checkpoint, file or model folder of any kind; of a run, what a restart would take.", HelpName = "SRC" };
    private readonly Argument<string> _destination = new("dst") { Description = "The folder to write, on this machine: of a run, a model or a distributed checkpoint. With --layout torch a file.", HelpName = "DST" };
    private readonly Option<string> _layout = new("--layout") { Description = $"What to write: {string.Join(", ", ConversionOptions.Layouts)}.", HelpName = "LAYOUT", Required = true };
    private readonly Option<string[]> _parts = new("--part") { Description = "Take only this part; may be repeated.", HelpName = "NAME" };
    private readonly Option<string?> _dtype = new("--dtype") { Description = $"Cast the model's floats to {string.Join(", ", Types.Select(type => type.Name))}.", HelpName = "TYPE" };
    private readonly Option<string?> _rules = new("--rules") { Description = $"Rename tensors: a file of rules, or {string.Join(", ", RenamingRules.Ready)}.", HelpName = "RULES" };
    private readonly Option<string[]> _set = new("--set") { Description = "A number that the rules need and the source does not have, such as heads=32; may be repeated.", HelpName = "NAME=VALUE" };
    private readonly Option<bool> _lenient = new("--keep-unmatched") { Description = "Keep tensors that match no rule, under their own names." };
    private readonly Option<long?> _shard = QuantityOption.Bytes("--shard-size", $"Most bytes in a file of huggingface, for example 2GB [default: {Units.Bytes(HuggingFaceLayout.DefaultMaxShardBytes)}].");
    private readonly Option<int?> _ranks = new("--ranks") { Description = "As many ranks as are to have written a dcp or dcp-safetensors, each a file; any number of ranks reads it [default: 1].", HelpName = "N" };
    private readonly Option<string?> _form = new("--form") { Description = $"The names in a dcp: {string.Join(", ", Forms.Select(form => form.Name))} [default: {Forms[0].Name}].", HelpName = "FORM" };
    private readonly Option<long?> _step = new("--step") { Description = "The step of the new checkpoint [default: the source's].", HelpName = "STEP" };
    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace what stands at the destination." };
    private readonly Option<bool> _noVerify = new("--no-verify") { Description = "Do not read every tensor back at the end." };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Show the files that would be written, and write nothing." };

    private readonly Option<bool> _strict = StrictChoice.Option();

    public ConvertVerb()
    {
        _layout.CompletionSources.Add([.. ConversionOptions.Layouts]);
        _dtype.CompletionSources.Add([.. Types.Select(type => type.Name)]);
        _rules.CompletionSources.Add([.. RenamingRules.Ready]);
        _form.CompletionSources.Add([.. Forms.Select(form => form.Name)]);
    }

    public override JsonTypeInfo Result => JsonTypes.Default.ConvertResult;

    public override string Example => "cairn convert runs/tinylm/500 models/tinylm --layout huggingface --rules internlm2-to-llama --dtype bf16 --shard-size 2GB";

    public override string Details => "From folders and object stores, into folders; cairn cp brings a run from there to a store. Interrupted, the same command goes on where it was.";

    protected override Command Define() =>
        new("convert", "Writes a checkpoint in another layout, and reads it back.")
        { _source, _destination, _layout, _parts, _dtype, _rules, _set, _lenient, _shard, _ranks, _form, _step, _overwrite, _noVerify, _dryRun, _strict };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        ConversionOptions options = Options(parsed);
        string from = parsed.GetValue(_source)!, to = parsed.GetValue(_destination)!;
        if (RunStores.IsAddress(to))
            throw new WrongUseException($"{to} is in a store, and convert writes into folders only: it goes on in the files of one that was interrupted, which a store does not allow. Convert into a folder, then bring a run from there with: cairn cp FOLDER {to}");
        long start = Stopwatch.GetTimestamp();
        using LoadedCheckpoint source = StrictChoice.Checked(CheckpointReader.Open(from), from, parsed.GetValue(_strict));
        PartChoice.Of(source.Parts, [.. options.Parts]);
        using ReadingPin? pin = PinOf(source, to);
        CheckpointConversion conversion = CheckpointConversion.Plan(source, to, options);
        string destination = Path.Join(to, conversion.Folder);
        ConvertResult result;
        if (parsed.GetValue(_dryRun))
        {
            ConvertFile[] planned = [.. conversion.Files.Select(file => new ConvertFile(file.Name, file.Length))];
            result = new ConvertResult(CheckpointLabel.Of(source, from), destination, options.Layout, false, planned, conversion.Bytes, 0, 0, conversion.Notes, 0);
        }
        else
        {
            ConversionResult done = Convert(conversion, screen, cancellationToken);
            Dictionary<string, long> bytes = conversion.Files.ToDictionary(file => file.Name, file => file.Length, StringComparer.Ordinal);
            ConvertFile[] files = [.. done.Files.Select(name => new ConvertFile(name, bytes.TryGetValue(name, out long length) ? length : null))];
            result = new ConvertResult(
                CheckpointLabel.Of(source, from), destination, options.Layout, true, files, done.Bytes, done.BytesKept, done.TensorsVerified, done.Notes, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        screen.Show(result, JsonTypes.Default.ConvertResult, shown => Render(screen, shown));
        return ExitCode.Good;
    }

    // A run that is trained meanwhile would remove or replace the copy behind a long conversion.
    private static ReadingPin? PinOf(LoadedCheckpoint source, string to) => source.Source is { Kind: SourceKind.Checkpoint, Marker: { IsDerived: false } marker } found
        ? ReadingPin.TryTake(found.Files, CatalogEntry.At(found.Files, found.Path, marker.Kind, marker.Step), $"cairn convert to {to}", TimeProvider.System) : null;

    private static ConversionResult Convert(CheckpointConversion conversion, Screen screen, CancellationToken cancellationToken)
    {
        using var progress = new PhaseProgress(screen);
        try
        {
            return conversion.Run(progress.Report, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            progress.Dispose();
            screen.Error("What was written is kept; the same command goes on from it.");
            throw;
        }
    }

    private ConversionOptions Options(ParseResult parsed)
    {
        string layout = parsed.GetValue(_layout)!;
        if (!ConversionOptions.Layouts.Contains(layout, StringComparer.Ordinal))
            throw new WrongUseException($"There is no layout '{layout}'. Give one of {string.Join(", ", ConversionOptions.Layouts)}.");
        if (parsed.GetValue(_shard) is not null && layout != HuggingFaceLayout.Name)
            throw new WrongUseException($"--shard-size is for --layout {HuggingFaceLayout.Name}.");
        if (parsed.GetValue(_shard) < 1)
            throw new WrongUseException("--shard-size must be at least 1.");
        if (parsed.GetValue(_ranks) is { } ranks && (ranks < 1 || layout is not (DistributedLayout.Name or ShardsLayout.Name)))
            throw new WrongUseException(ranks < 1 ? "--ranks must be at least 1." : $"--ranks is for --layout {DistributedLayout.Name} and {ShardsLayout.Name}.");
        if (parsed.GetValue(_form) is not null && layout != DistributedLayout.Name)
            throw new WrongUseException($"--form is for --layout {DistributedLayout.Name}.");
        if (parsed.GetValue(_step) < 0)
            throw new WrongUseException("--step must not be negative.");
        if (parsed.GetValue(_rules) is null && (parsed.GetValue(_set) is { Length: > 0 } || parsed.GetValue(_lenient)))
            throw new WrongUseException("--set and --keep-unmatched are for --rules.");
        return new ConversionOptions
        {
            Layout = layout,
            Parts = parsed.GetValue(_parts) ?? [],
            Type = TypeOf(parsed.GetValue(_dtype)),
            Rules = parsed.GetValue(_rules) is { } rules ? RenamingRules.Load(rules) : null,
            Parameters = Parameters(parsed.GetValue(_set) ?? []),
            Strict = !parsed.GetValue(_lenient),
            MaxShardBytes = parsed.GetValue(_shard) ?? HuggingFaceLayout.DefaultMaxShardBytes,
            Ranks = parsed.GetValue(_ranks) ?? 1,
            Form = FormOf(parsed.GetValue(_form) ?? Forms[0].Name),
            Step = parsed.GetValue(_step),
            Overwrite = parsed.GetValue(_overwrite),
            Verify = !parsed.GetValue(_noVerify),
        };
    }

    private static TensorType? TypeOf(string? name)
    {
        if (name is null)
            return null;
        foreach ((string known, TensorType type) in Types)
        {
            if (known == name || type.ToString().Equals(name, StringComparison.OrdinalIgnoreCase))
                return type;
        }
        throw new WrongUseException($"'{name}' is no type to cast to. Give one of {string.Join(", ", Types.Select(type => type.Name))}.");
    }

    private static DistributedForm FormOf(string name)
    {
        foreach ((string known, DistributedForm form) in Forms)
        {
            if (known == name)
                return form;
        }
        throw new WrongUseException($"There is no form '{name}'. Give one of {string.Join(", ", Forms.Select(form => form.Name))}.");
    }

    private static RenamingParameters Parameters(string[] assignments)
    {
        try
        {
            return assignments.Aggregate(new RenamingParameters(), (all, assignment) => all.With(assignment));
        }
        catch (FormatException e)
        {
            throw new WrongUseException($"--set: {e.Message} Example: --set heads=32");
        }
    }

    private static void Render(Screen screen, ConvertResult result)
    {
        screen.Line(Screen.Plain($"{result.Source} → {result.Destination} ({result.Layout})"));
        screen.Table(["file", "size"], result.Files.Select(file => (IReadOnlyList<string>)[Screen.Plain(file.Name), file.Bytes is { } bytes ? Units.Bytes(bytes) : "copied"]), 1);
        foreach (string note in result.Notes)
            screen.Line(screen.Dim($"Note: {note}."));
        string files = $"{Units.Of(result.Files.Count, "file")}, {Units.Bytes(result.Bytes)}";
        string kept = result.BytesKept > 0 ? $", of which {Units.Bytes(result.BytesKept)} stood there already" : "";
        string verified = result.TensorsVerified > 0 ? $"{Units.Of(result.TensorsVerified, "tensor")} read back and compared." : "Nothing was read back.";
        screen.Line(Screen.Plain(result.Done
            ? $"{files} written in {Units.Time(TimeSpan.FromSeconds(result.Seconds))}{kept}. {verified}"
            : $"{files} would be written. Nothing was done; leave --dry-run out to do it."));
    }

    /// <summary>A line of progress for each phase.</summary>
    private sealed class PhaseProgress(Screen screen) : IDisposable
    {
        private ProgressLine? _line;
        private string _name = "";
        private long _done;

        public void Report(ConversionProgress progress)
        {
            // Each file that stands there already is a phase of its own.
            string name = progress.Phase switch { ConversionPhase.Checking => $"check {progress.Item}", ConversionPhase.Writing => "write", _ => "verify" };
            if (_line is null || name != _name)
            {
                _line?.Dispose();
                (_line, _name, _done) = (new ProgressLine(screen, name, progress.BytesTotal), name, 0);
            }
            _line.Add(progress.BytesDone - _done);
            _done = progress.BytesDone;
        }

        public void Dispose() => _line?.Dispose();
    }
}
