using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Layouts;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Saving;

/// <summary>A layout may be anybody's: what it plans wrongly costs a save, and never a copy, the other ranks' time, or a file outside of its folder.</summary>
public sealed class LayoutFaultTests : IDisposable
{
    private static readonly World Two = new(1, 1, 2, 1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("same", "named two files", false)]
    [InlineData("same", "named two files", true)]
    [InlineData("a/b.bin", "cannot have this name", false)]
    [InlineData("../b.bin", "cannot have this name", true)]
    [InlineData("", "cannot have this name", false)]
    [InlineData("marker", "cannot have this name", false)]
    [InlineData("none", "gave no file", true)]
    [InlineData("null", "no list of files", false)]
    [InlineData("negative", "a length of -5 bytes", false)]
    [InlineData("writes", "no bytes", false)]
    [InlineData("long", "was planned with 7 bytes", true)]
    public async Task A_save_that_a_layout_spoils_fails_leaves_nothing_and_the_next_one_is_good(string how, string said, bool inStore)
    {
        string name = $"spoils-{Guid.NewGuid():N}";
        CheckpointLayouts.Register(new HookedLayout(name));
        HookedLayout.Hooks[name] = (step, files, _) => step == 2 ? Spoiled(how, step, files) : files;
        var store = new MemoryRunStore();
        var options = new CheckpointOptions { Folder = _folder["run"], Layout = name, CheckpointEvery = 1, SnapshotEvery = 0, Asynchronous = false, HandleSignals = false, Store = inStore ? store : null };
        var training = new SampleTraining();
        var reports = new List<SaveReport>();
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, training.Train, [training.Weights], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
        checkpoints.SaveEnded += (_, report) => reports.Add(report);
        for (int i = 0; i < 3; i++)
        {
            training.Batch();
            checkpoints.AfterBatch();
        }
        reports.Select(report => report.Outcome).ShouldBe([SaveOutcome.Saved, SaveOutcome.Failed, SaveOutcome.Saved]);
        reports[1].Error.ShouldNotBeNull().Message.ShouldContain(said);
        IEnumerable<string> left = inStore ? store.Objects.Keys : Directory.EnumerateFiles(_folder["run"], "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(_folder["run"], path));
        left.ShouldAllBe(path => !path.StartsWith("2/", StringComparison.Ordinal) && !path.StartsWith(".staging/", StringComparison.Ordinal) && !path.EndsWith("b.bin", StringComparison.Ordinal));
        File.Exists(_folder["b.bin"]).ShouldBeFalse();
    }

    [Theory]
    [InlineData("same")]
    [InlineData("../b.bin")]
    [InlineData("none")]
    public void What_no_save_could_write_is_found_at_the_start(string how)
    {
        string name = $"always-{Guid.NewGuid():N}";
        CheckpointLayouts.Register(new HookedLayout(name));
        HookedLayout.Hooks[name] = (step, files, _) => Spoiled(how, step, files);
        var options = new CheckpointOptions { Folder = "run", Layout = name, HandleSignals = false };
        Should.Throw<CheckpointException>(() => new SampleTraining().Start(new SimulatedFileSystem(), options)).Message.ShouldContain($"The layout '{name}'");
    }

    [Theory]
    [InlineData("null")]
    [InlineData("null file")]
    [InlineData("length")]
    [InlineData("negative")]
    [InlineData("throws")]
    [InlineData("writes")]
    [InlineData("../b.bin")]
    public void A_layout_that_fails_on_one_rank_fails_the_save_of_all_at_once(string how)
    {
        string name = $"lies-{Guid.NewGuid():N}";
        CheckpointLayouts.Register(new HookedLayout(name));
        HookedLayout.Hooks[name] = (step, files, rank) => rank == 1 && step > 0 ? Spoiled(how, step, files) : files;
        var job = new JobOfThreads(new LocalFileSystem(_folder["run"]));
        job.Run(Two, rank => rank.Train(rank.Start(new CheckpointOptions
        {
            Folder = _folder["run"], Layout = name, CheckpointEvery = 10, SnapshotEvery = 0, Asynchronous = false, HandleSignals = false, RankTimeout = TimeSpan.FromSeconds(2),
        }), 12), mayFail: true);
        Exception?[] errors = [.. job.Ranks.SelectMany(rank => rank.Reports).Select(report => report.Error), .. job.Errors];
        errors.ShouldContain(error => error is Cairn.Ranks.RankFailedException);
        errors.ShouldAllBe(error => !(error is Cairn.Ranks.RankTimeoutException) && !(error is Cairn.Ranks.RankOrderException));
    }

    [Fact]
    public async Task A_snapshot_with_NaN_in_a_tensor_without_a_name_is_refused()
    {
        var train = new TrainState();
        var options = new CheckpointOptions { Folder = "run", CheckpointEvery = null, SnapshotEvery = 1, Asynchronous = false, HandleSignals = false };
        await using CheckpointManager checkpoints = CheckpointManager.Start(new SimulatedFileSystem(), options, train, [new Nameless(float.NaN)], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
        SaveReport? first = null;
        checkpoints.SaveEnded += (_, report) => first ??= report;
        train.CompleteStep();
        checkpoints.AfterBatch();
        first.ShouldNotBeNull().Outcome.ShouldBe(SaveOutcome.Refused, first!.Error?.ToString());
    }

    private static IReadOnlyList<PlannedFile> Spoiled(string how, long step, IReadOnlyList<PlannedFile> files) => how switch
    {
        "null" => null!,
        "null file" => [.. files, null!],
        "none" => [],
        "throws" => throw new NotSupportedException("no plan"),
        "same" => [.. files.Select(file => file with { Name = "same.json" })],
        "length" => [.. files, new PlannedFile("model", "b.bin", new BadLength(null))],
        "negative" => [.. files, new PlannedFile("model", "b.bin", new BadLength(-5))],
        "long" => [.. files, new PlannedFile("model", "b.bin", new BadLength(7))],
        "writes" => [.. files, new PlannedFile("model", "b.bin", new BadWrite())],
        "marker" => [.. files, new PlannedFile("model", Marker.FileName(step), new BadLength(0))],
        _ => [.. files, new PlannedFile("model", how, new BadLength(0))],
    };

    private sealed class Nameless(float value) : IStatePart
    {
        public string Name => "model";
        public StateMap Capture() => new() { { "", new MemoryTensor(TensorType.F32, [1], BitConverter.GetBytes(value)) } };
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }

    private sealed class BadLength(long? length) : IFileContent
    {
        public long Length => length ?? throw new NotSupportedException("no length");
        public IReadOnlyList<TensorPlacement> Tensors => [];
        public void WriteTo(BlockSink sink) { }
    }

    private sealed class BadWrite : IFileContent
    {
        public long Length => 4;
        public IReadOnlyList<TensorPlacement> Tensors => [];
        public void WriteTo(BlockSink sink) => throw new NotSupportedException("no bytes");
    }

    private sealed class HookedLayout(string name) : ICheckpointLayout
    {
        private static readonly ICheckpointLayout Inner = CairnLayout.Instance;
        public static System.Collections.Concurrent.ConcurrentDictionary<string, Func<long, IReadOnlyList<PlannedFile>, int, IReadOnlyList<PlannedFile>>> Hooks { get; } = new(StringComparer.Ordinal);
        public string Name => name;
        public void CheckPart(string part) => Inner.CheckPart(part);
        public void CheckWorld(World world) { }
        private IReadOnlyList<PlannedFile> Hook(long step, IReadOnlyList<PlannedFile> files, int rank) => Hooks.TryGetValue(name, out var hook) ? hook(step, files, rank) : files;
        public IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<(string Part, StateMap State)> parts) => Hook(step, Inner.Plan(step, parts), 0);
        public IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<RankPart> parts, World world, int rank) => Hook(step, Inner.Plan(step, parts, world, rank), rank);
        public LoadedCheckpoint Open(IFileSource files, string folder, IEnumerable<string> fileNames) => Inner.Open(files, folder, fileNames);
    }
}
