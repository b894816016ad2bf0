using System.Globalization;
using Cairn.Conversion;
using Cairn.Formats;
using Cairn.Formats.Torch.Distributed;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.PyTorch;
using Cairn.Stores;

namespace Cairn.Cli.Listing;

/// <summary>Recognises what other programs save, by the names of the files. No tensor is read.</summary>
internal static class CopyRecognition
{
    public const string InternLm = "internlm", HuggingFace = "huggingface", Dcp = DistributedLayout.Name, DcpSafetensors = ShardsLayout.Name, Torch = "torch", Safetensors = "safetensors", Unknown = "unknown";

    private const string DcpMetadata = ".metadata", Universal = "_universal", Interrupted = "a conversion into it was interrupted: the same cairn convert goes on";
    private static readonly string[] TrainerFiles = ["training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt"];
    // Accelerate's optimizer.bin stands in folders of that name too.
    private static readonly string[] OnlyTrainerFiles = ["training_args.bin", "optimizer.pt", "scheduler.pt"];

    /// <summary>A folder as one copy; <see langword="null"/> when nothing in it is known.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">Its name in the list.</param>
    public static ListedCopy? OfFolder(DirectoryInfo folder, string name) => Recognized(folder, name) is not { } copy ? null
        : copy.Fault is null && TrainerFolders.IsUnfinished(folder.Name) ? copy with { Fault = "by its name the save into it did not end" } : copy;

    private static ListedCopy? Recognized(DirectoryInfo folder, string name)
    {
        FolderFiles found = FolderFiles.Of(folder);
        if (InternLmListing.Of(name, folder, found.Names) is { } internLm)
            return Sized(internLm, found);
        if (found.Names.Contains(DcpMetadata) || found.Names.Any(file => file.EndsWith(".distcp", StringComparison.Ordinal)))
        {
            string? fault = found.Names.Contains(ConversionLedger.FileName) ? Interrupted : found.Names.Contains(DcpMetadata) ? null : $"there is no {DcpMetadata}: the save did not end";
            return Sized(new ListedCopy(name, Dcp, CopyKinds.Checkpoint) { Step = StepIn(folder.Name), Fault = fault }, found);
        }
        var files = new LocalFileSystem(folder.FullName);
        if (XTunerFolder.Find(files, "") is { } xtuner)
            return Sized(new ListedCopy(name, XTunerFolder.Layout, XTunerFolder.IsSnapshot(folder.Name) ? CopyKinds.Snapshot : CopyKinds.Checkpoint) { Step = xtuner.Step(files), Fault = xtuner.FaultIn(files) }, found);
        var model = ModelFiles.Find(found.Names);
        if (model is null && SafetensorsShards.AreIn(found.Names))
            return Sized(new ListedCopy(name, DcpSafetensors, CopyKinds.Model) { Step = StepIn(folder.Name), Fault = found.Names.Contains(ConversionLedger.FileName) ? Interrupted : null }, found);
        // Some shards without their index are no model.
        if (found.Names.Contains(ConversionLedger.FileName) || (model is null && found.Names.Any(ModelFiles.IsShard)))
        {
            string fault = found.Names.Contains(ConversionLedger.FileName) ? Interrupted : "there is no index of its shards, and not all of them";
            return Sized(new ListedCopy(name, HuggingFace, CopyKinds.Model) { Fault = fault }, found);
        }
        bool isTrainer = TrainerFolders.StepOf(folder.Name) is not null;
        if (isTrainer || model is not null)
        {
            return Sized(new ListedCopy(name, HuggingFace, isTrainer ? CopyKinds.Checkpoint : CopyKinds.Model)
            {
                Step = TrainerFolders.StepOf(folder.Name),
                Fault = HuggingFaceFault(folder, found.Names, model, isTrainer),
            }, found);
        }
        if (RankFolder.Find(files, "") is { } ranks)
            return Sized(new ListedCopy(name, ranks.Layout, CopyKinds.Checkpoint) { Step = StepIn(ranks.IsUniversal ? Plain(folder.Name) : folder.Name), Fault = ranks.FaultIn(files) }, found);
        bool hasTorch = found.Names.Any(FileEnds.ClaimsTorch);
        return hasTorch && StepIn(folder.Name) is { } step ? Sized(new ListedCopy(name, Torch, CopyKinds.Checkpoint) { Step = step }, found) : null;
    }

    /// <summary>A file as one copy.</summary>
    public static ListedCopy OfFile(FileInfo file) => OfFile(file, FileEnds.Of(file));

    /// <summary>A file of a folder as one copy; <see langword="null"/> when neither its bytes nor its name say that it holds state.</summary>
    public static ListedCopy? InFolder(FileInfo file)
    {
        if (TrainerFiles.Contains(file.Name, StringComparer.Ordinal) || file.Name.StartsWith('.'))
            return null;
        var ends = FileEnds.Of(file);
        // Pickles are of all kinds of things.
        bool isState = ends.Signature is { IsReadable: true, Kind: not FileFormat.Pickle } && !file.Name.EndsWith(".zip", StringComparison.Ordinal);
        return isState || FileEnds.ClaimsState(file.Name) ? OfFile(file, ends) : null;
    }

    private static ListedCopy OfFile(FileInfo file, FileEnds ends)
    {
        bool isSafetensors = ends.Signature.Kind == FileFormat.Safetensors || (!ends.Signature.IsReadable && file.Name.EndsWith(FileEnds.Safetensors, StringComparison.Ordinal));
        bool isTorch = ends.Signature.Kind is FileFormat.TorchZip or FileFormat.TorchLegacy or FileFormat.TorchGzip or FileFormat.Pickle || FileEnds.ClaimsTorch(file.Name);
        return new ListedCopy(file.Name, isSafetensors ? Safetensors : isTorch ? Torch : Unknown, CopyKinds.File)
        {
            Step = StepIn(Path.GetFileNameWithoutExtension(file.Name)),
            Bytes = FolderFiles.LengthOf(file),
            Files = 1,
            Time = new DateTimeOffset(file.LastWriteTimeUtc),
            Fault = ends.Fault,
        };
    }

    private static ListedCopy Sized(ListedCopy copy, FolderFiles found) => copy with { Bytes = found.Bytes, Files = found.Count, Time = found.Newest };

    private static string? HuggingFaceFault(DirectoryInfo folder, IReadOnlySet<string> names, ModelFiles? model, bool isTrainer)
    {
        if (isTrainer && names.Overlaps(OnlyTrainerFiles) && !names.Contains(TrainerStates.StateName))
            return $"there is no {TrainerStates.StateName}: the save did not end";
        if (model is null)
            return "there are no weights";
        var files = new LocalFileSystem(folder.FullName);
        try
        {
            new TrainerStates(files, "", names).CheckEnd();
            if (model.Index is not { } index)
                return null;
            ShardIndex shards = ShardIndex.Read(files, index);
            string[] missing = [.. shards.FileOfTensor.Values.Distinct(StringComparer.Ordinal).Where(file => !names.Contains(file)).Order(StringComparer.Ordinal)];
            return missing.Length == 0 ? null : Missing(missing);
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    /// <summary>Some missing files, in words.</summary>
    public static string Missing(IReadOnlyList<string> files) =>
        files.Count == 1 ? $"{files[0]} is missing" : $"{files.Count.ToString(CultureInfo.InvariantCulture)} files are missing, the first {files[0]}";

    /// <summary>The number at the end of a name: <c>checkpoint-500</c>, <c>step_0500</c>, <c>500</c>; <see langword="null"/> when there is none.</summary>
    internal static long? StepIn(string name)
    {
        int start = name.Length;
        while (start > 0 && char.IsAsciiDigit(name[start - 1]))
            start--;
        // v2 and model2 are names, step2 is a step: the number stands alone or after a word for it.
        ReadOnlySpan<char> before = name.AsSpan(0, start).TrimEnd("-_.=");
        bool alone = start == 0 || before.Length < start || EndsInWord(before);
        return alone && long.TryParse(name.AsSpan(start), NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : null;
    }

    // DeepSpeed's own tool is told where to write, and its pages say global_step500_universal.
    private static string Plain(string name) => name.EndsWith(Universal, StringComparison.Ordinal) ? name[..^Universal.Length] : name;

    private static bool EndsInWord(ReadOnlySpan<char> text) =>
        text.EndsWith("step", StringComparison.OrdinalIgnoreCase) || text.EndsWith("iter", StringComparison.OrdinalIgnoreCase) || text.EndsWith("checkpoint", StringComparison.OrdinalIgnoreCase) || text.EndsWith("epoch", StringComparison.OrdinalIgnoreCase);
}
