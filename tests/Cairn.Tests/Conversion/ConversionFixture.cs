using Cairn.Conversion;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Formats;
using Cairn.Tests.Manager;

namespace Cairn.Tests.Conversion;

/// <summary>A checkpoint to convert, and what is asked of the result.</summary>
public abstract class ConversionFixture : IDisposable
{
    private protected TemporaryFolder Folder { get; } = new();

    public void Dispose()
    {
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static StateMap Model()
    {
        StateMap model = new()
        {
            ["tok_embeddings.weight"] = TestTensors.Of(TensorType.F32, 10, 8),
            ["layers.0.attention.wqkv.weight"] = TestTensors.Of(TensorType.F32, 16, 8),
            ["layers.0.attention_norm.weight"] = TestTensors.Of(TensorType.F32, 8),
        };
        model["output.weight"] = model["tok_embeddings.weight"];
        return model;
    }

    // A checkpoint of a run, with a part beside the model.
    private protected string Checkpoint(StateMap? model = null)
    {
        var training = new SampleTraining();
        StateMap part = model ?? Model();
        CheckpointManager manager = CheckpointManager.Start(
            new LocalFileSystem(Folder["run"]), new CheckpointOptions { Folder = Folder["run"], CheckpointEvery = 3, Asynchronous = false }, training.Train, [new FixedPart("model", part), new FixedPart("ema", new StateMap { ["shadow"] = TestTensors.Of(TensorType.F64, 3), ["decay"] = 0.5 })]);
        for (int i = 0; i < 3; i++)
        {
            training.Batch();
            manager.AfterBatch();
        }
        manager.Complete();
        return Folder["run/3"];
    }

    private protected static ConversionResult Convert(string source, string destination, ConversionOptions options, Action<ConversionProgress>? progress = null, CancellationTokenSource? cancel = null)
    {
        using LoadedCheckpoint opened = CheckpointReader.Open(source);
        return CheckpointConversion.Plan(opened, destination, options).Run(progress, cancel?.Token ?? TestContext.Current.CancellationToken);
    }

    private protected static void ShouldHold(string path, string part, StateMap expected)
    {
        using LoadedCheckpoint opened = CheckpointReader.Open(path);
        new ReadBackComparison((_, _) => { }, default).Compare(part, expected, opened.Load(part));
    }

    private protected sealed class FixedPart(string name, StateMap state) : IStatePart
    {
        public StateMap? Restored { get; private set; }
        public string Name => name;
        public StateMap Capture() => state;
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) => Restored = saved;
    }
}
