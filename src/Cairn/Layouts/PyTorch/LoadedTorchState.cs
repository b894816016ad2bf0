using Cairn.Formats;
using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch;

/// <summary>State that PyTorch saved in no layout of anybody's, split into parts by <see cref="PartSplit"/>.</summary>
internal sealed class LoadedTorchState : LoadedCheckpoint
{
    private const int MostNamed = 6;
    private static readonly TorchReadOptions Options = new() { AllowOpaque = true };

    private readonly IReadOnlyList<string> _files;
    private readonly List<UnreadValue> _unread = [], _changed = [];
    private IReadOnlyDictionary<string, StateMap> _parts = new Dictionary<string, StateMap>(StringComparer.Ordinal);

    private readonly IReadOnlyList<string> _notes;

    private LoadedTorchState(IReadOnlyList<string> files, IReadOnlyList<string>? notes = null) => (_files, _notes) = (files, notes ?? []);

    /// <summary>All of it, as it was saved.</summary>
    public StateNode Root { get; private set; } = StateScalar.Null;

    /// <inheritdoc cref="PartSplit.StepIn"/>
    internal override long? StepInside => PartSplit.StepIn(_parts);

    public override IReadOnlyList<string> Notes => _unread.Count == 0 ? _notes :
    [
        .. _notes,
        "nothing in the file was executed, and of what is no plain value only its name and plain contents are read: "
            + string.Join(", ", _unread.Take(MostNamed).Select(value => $"{value.Place} ({value.What})")) + (_unread.Count > StateReader.MostNamed ? $" and more than {StateReader.MostNamed - MostNamed} others" : _unread.Count > MostNamed ? $" and {_unread.Count - MostNamed} more" : ""),
    ];

    internal override string? Changes => _changed.Count == 0 ? null
        : $"kept as another type: {string.Join(", ", _changed.Take(MostNamed).Select(value => $"{value.Place} ({value.What})"))}{(_changed.Count > MostNamed ? $" and {_changed.Count - MostNamed} more" : "")}";

    public override IReadOnlyList<string> Parts => [.. _parts.Keys];
    public override IReadOnlyList<string> FilesOf(string part) => _parts.ContainsKey(part) ? _files : throw Unknown(part);
    public override StateMap Load(string part) => _parts.TryGetValue(part, out StateMap? state) ? state : throw Unknown(part);

    /// <summary>A file of <c>torch.save</c>.</summary>
    public static LoadedTorchState OpenFile(IFileSource files, string path) => OpenFile(files, path, path[(path.LastIndexOf('/') + 1)..], []);

    /// <summary>A file of <c>torch.save</c> that is one of a folder.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="path">The file.</param>
    /// <param name="name">Its name within the folder.</param>
    /// <param name="notes">What a reader of the folder should know.</param>
    public static LoadedTorchState OpenFile(IFileSource files, string path, string name, IReadOnlyList<string> notes) => new LoadedTorchState([name], notes).Filled(loaded =>
    {
        if (IsPlainPickle(files, path))
            return loaded.ReadPickle(files, path);
        TorchFile file = loaded.Keep(TorchFile.Open(files, path, Options));
        StateNode state = TorchTree.ToState(file.Root, loaded._unread, loaded._changed);
        file.ReleaseRoot();
        return state;
    });

    /// <summary>How many ranks shared an optimizer of DeepSpeed's ZeRO, as one of their files says; <see langword="null"/> when it says nothing, or cannot be read.</summary>
    public static long? PartitionsIn(IFileSource files, string path)
    {
        try
        {
            using TorchFile file = TorchFile.Open(files, path, Options);
            return TorchTree.ToState(file.Root, []) is StateMap state ? ZeroStates.PartitionsOf(state) : null;
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The folder of a step of DeepSpeed's ZeRO.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="models">The files of the model.</param>
    /// <param name="optimizers">The files of the optimizer, by rank.</param>
    public static LoadedTorchState OpenZero(IFileSource files, string folder, IReadOnlyList<string> models, IReadOnlyList<string> optimizers) => new LoadedTorchState([.. models, .. optimizers]).Filled(loaded =>
    {
        // Of the optimizer's files all that is meant for people is put together; its own objects are no loss.
        StateMap[] ranks = [.. optimizers.Select(name => Read(name, []))];
        if (ZeroStates.PartitionsOf(ranks[0]) is { } count && ZeroStates.FaultOf(count, ranks.Length) is { } fault)
            throw new CorruptCheckpointException($"{folder} cannot be read: {fault}. Take another checkpoint.") { Path = folder };
        return ZeroStates.Merge(folder, [.. models.Select(name => Read(name, loaded._unread))], ranks);

        StateMap Read(string name, List<UnreadValue> unread)
        {
            string path = StorePath.Join(folder, name);
            return TorchTree.ToState(loaded.Keep(TorchFile.Open(files, path, Options)).Root, unread) as StateMap ?? throw new CorruptCheckpointException($"{path} holds no state of DeepSpeed.") { Path = path };
        }
    });

    /// <summary>The folder of a distributed checkpoint.</summary>
    public static LoadedTorchState OpenDistributed(IFileSource files, string folder)
    {
        DistributedCheckpoint checkpoint = DistributedCheckpoint.Open(files, folder);
        string common = StorePath.Join(folder, MegatronDistributed.CommonName);
        bool isMegatron = MegatronDistributed.IsIn(files, folder), hasCommon = isMegatron && files.FileExists(common);
        return new LoadedTorchState([DistributedCheckpoint.MetadataName, .. hasCommon ? (string[])[MegatronDistributed.CommonName] : [], .. checkpoint.Files]).Filled(loaded =>
        {
            StateMap state = loaded.Keep(checkpoint).Load();
            loaded._unread.AddRange(checkpoint.Unread);
            if (!isMegatron)
                return state;
            return MegatronDistributed.Parts(state, hasCommon ? TorchTree.ToState(loaded.Keep(TorchFile.Open(files, common, Options)).Root, loaded._unread) as StateMap ?? [] : []);
        });
    }

    private static bool IsPlainPickle(IFileSource files, string path)
    {
        using IReadableFile file = files.OpenRead(path);
        return FileSignature.Of(file).Kind == FileFormat.Pickle;
    }

    // What pickle.dump wrote holds its tensors' bytes itself.
    private StateNode ReadPickle(IFileSource files, string path)
    {
        using IReadableFile file = files.OpenRead(path);
        return TorchTree.ToState(TorchFile.ReadPickle(file, path, Options), _unread, _changed);
    }

    private LoadedTorchState Filled(Func<LoadedTorchState, StateNode> open)
    {
        try
        {
            Root = open(this);
            _parts = PartSplit.Of(Root);
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private KeyNotFoundException Unknown(string part) => new($"There is no part '{part}'. The parts are: {string.Join(", ", _parts.Keys)}.");
}
