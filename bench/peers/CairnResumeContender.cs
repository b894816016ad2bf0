using Cairn.Bench;
using Cairn.TorchSharp;

namespace Cairn.Peers;

/// <summary>Cairn's resume: a run is started from its newest copy, over and over.</summary>
internal sealed class CairnResumeContender : IContender
{
    private readonly string _folder;
    private readonly StateModule _model;

    public CairnResumeContender(string folder, StateModule model)
    {
        (_folder, _model) = (folder, model);
        using var run = CairnContender.Synchronous(folder, model);
        run.Do("save");
        Newest = run.Newest;
    }

    public string Newest { get; }

    public Answer Do(string operation) => operation switch { "load" => Load(verify: true), "load-unverified" => Load(verify: false), _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, null) };

    public void Dispose() { }

    private Answer Load(bool verify)
    {
        CheckpointOptions options = CairnContender.OptionsOf(_folder, isAsynchronous: false);
        options.VerifyHashes = verify;
        UInt128 before = _model.Digest();
        _model.Clear();
        CheckpointManager checkpoints = null!;
        TimeSpan time = Measure.Time(() => checkpoints = CheckpointManager.StartAsync(options, new TrainState(), [new ModulePart(_model)]).GetAwaiter().GetResult());
        checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return new(time.TotalMilliseconds, Right: _model.Digest() == before);
    }
}
