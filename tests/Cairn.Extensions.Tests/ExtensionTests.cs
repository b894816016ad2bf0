using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Microsoft.Extensions.DependencyInjection;

namespace Cairn.Extensions.Tests;

/// <summary>What docs/extending.md shows is compiled here, and does what it says.</summary>
public sealed class ExtensionTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("save policy", "Rules.cs")]
    [InlineData("retention policy", "Rules.cs")]
    [InlineData("layout", "BlobLayout.cs")]
    [InlineData("use", "ExtensionTests.cs")]
    [InlineData("dependency injection", "ExtensionTests.cs")]
    public void The_document_shows_the_code_that_is_compiled_here(string example, string file)
    {
        string[] lines = File.ReadAllLines(Path.Combine(Root(), "tests", "Cairn.Extensions.Tests", file));
        int begins = Array.FindIndex(lines, line => line.Trim() == $"// {example} begins"), ends = Array.FindIndex(lines, line => line.Trim() == $"// {example} ends");
        string[] code = lines[(begins + 1)..ends];
        int margin = code.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        string shown = string.Join('\n', code.Select(line => line.Length == 0 ? line : line[margin..]));

        File.ReadAllText(Path.Combine(Root(), "docs", "extending.md")).ShouldContain($"```csharp\n{shown}\n```");
    }

    [Fact]
    public async Task A_run_keeps_to_rules_of_its_own()
    {
        CheckpointOptions options = RulesOfItsOwn();
        (options.Folder, options.HandleSignals) = (_folder.FullName, false);
        (TrainState train, Weights weights) = (new TrainState(), new Weights());
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [weights], cancellationToken: TestContext.Current.CancellationToken);
        var saved = new List<(SaveKind Kind, long Step)>();
        checkpoints.SaveEnded += (_, report) => saved.Add((report.Kind, report.Step));

        weights.Train(checkpoints, 39);

        saved.Where(save => save.Kind == SaveKind.Checkpoint).Select(save => save.Step).ShouldBe([1, 2, 4, 8, 16, 32, 39]);
        saved.Where(save => save.Kind == SaveKind.Snapshot).Select(save => save.Step).ShouldBe([10, 20, 30]);
        // All of one day, so the newest of it and the last two.
        Steps().ShouldBe([32, 39]);
    }

    private static CheckpointOptions RulesOfItsOwn()
    {
        // use begins
        var options = new CheckpointOptions
        {
            Asynchronous = false,
            CheckpointPolicy = new DoublingPolicy(limit: 32),
            SnapshotPolicy = SavePolicy.EverySteps(10),
            RetentionPolicy = new DailyRetention(last: 2),
        };
        // use ends
        return options;
    }

    [Fact]
    public async Task All_of_them_are_given_by_dependency_injection()
    {
        var services = new ServiceCollection();
        // dependency injection begins
        services.AddSingleton<ICheckpointLayout, BlobLayout>();
        services.AddSingleton<IRetentionPolicy>(new DailyRetention(last: 2));
        services.AddKeyedSingleton<ISavePolicy>("checkpoint", new DoublingPolicy(limit: 32));
        services.AddCairn(options => options.Layout = "blob");
        // dependency injection ends
        services.AddCairn(options => (options.Folder, options.HandleSignals, options.Asynchronous) = (_folder.FullName, false, false));
        await using ServiceProvider provider = services.BuildServiceProvider();
        var weights = new Weights();
        await using CheckpointManager checkpoints = await provider.GetRequiredService<CheckpointManagerFactory>().StartAsync(new TrainState(), [weights], TestContext.Current.CancellationToken);

        weights.Train(checkpoints, 5).FinalCheckpoint.ShouldBe("5");

        Steps().ShouldBe([4, 5]);
        File.Exists(Path.Combine(_folder.FullName, "5", "model.blob")).ShouldBeTrue();
    }

    [Fact]
    public async Task A_layout_of_its_own_is_resumed_from_opened_and_compared_by_hash()
    {
        CheckpointLayouts.Register(new BlobLayout());
        CheckpointOptions options = new() { Folder = _folder.FullName, Layout = "blob", CheckpointEvery = 10, HandleSignals = false };
        foreach ((long from, long to) in new[] { (0L, 12L), (12L, 25L) })
        {
            (TrainState train, Weights weights) = (new TrainState(), new Weights());
            await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [weights], cancellationToken: TestContext.Current.CancellationToken);
            train.Step.ShouldBe(from);
            weights.Value.ShouldBe(from);
            train.Metrics["loss"] = 0.5;
            weights.Train(checkpoints, to).FinalCheckpoint.ShouldBe($"{to}");
        }
        using (LoadedCheckpoint opened = CheckpointReader.Open(Path.Combine(_folder.FullName, "25")))
            opened.Load("model")["w"].ShouldBeAssignableTo<StateTensor>().Shape.ShouldBe([1]);

        // A bad byte is found as in any layout: the copy before it is taken.
        string blob = Path.Combine(_folder.FullName, "25", "model.blob");
        byte[] bytes = File.ReadAllBytes(blob);
        bytes[0] ^= 1;
        File.WriteAllBytes(blob, bytes);
        var restored = new Weights();
        await using CheckpointManager again = await CheckpointManager.StartAsync(options, new TrainState(), [restored], cancellationToken: TestContext.Current.CancellationToken);
        again.Resume.PassedOver.ShouldHaveSingleItem().Reason.ShouldContain("hash");
        restored.Value.ShouldBe(again.Resume.Step);
    }

    [Fact]
    public void Two_layouts_of_one_name_are_refused()
    {
        CheckpointLayouts.Register(new BlobLayout());
        CheckpointLayouts.Register(new BlobLayout());
        Should.Throw<ArgumentException>(() => CheckpointLayouts.Register(new Named("cairn"))).Message.ShouldContain("There is a layout 'cairn' already");
        Should.Throw<ArgumentException>(() => CheckpointLayouts.Register(new Named("My Layout"))).Message.ShouldContain("lower-case");
    }

    [Fact]
    public async Task A_rule_for_keeping_that_throws_costs_no_copy()
    {
        var options = new CheckpointOptions { Folder = _folder.FullName, CheckpointEvery = 2, Asynchronous = false, HandleSignals = false, RetentionPolicy = new Faulty() };
        var weights = new Weights();
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, new TrainState(), [weights], cancellationToken: TestContext.Current.CancellationToken);
        var errors = new List<Exception?>();
        checkpoints.SaveEnded += (_, report) =>
        {
            report.Outcome.ShouldBe(SaveOutcome.Saved);
            if (report.Kind == SaveKind.Checkpoint)
                errors.Add(report.RetentionError);
        };
        weights.Train(checkpoints, 4);
        errors.Count.ShouldBe(2);
        errors.ShouldAllBe(error => error is NotSupportedException);
        Steps().ShouldBe([2, 4]);
    }

    private IEnumerable<long> Steps() => _folder.GetDirectories().Where(folder => folder.Name.All(char.IsAsciiDigit)).Select(folder => long.Parse(folder.Name, null)).Order();

    internal static string Root()
    {
        string at = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(at, "Cairn.slnx")))
            at = Path.GetDirectoryName(at)!;
        return at;
    }

    private sealed class Faulty : IRetentionPolicy
    {
        public string Describe => "none";
        public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps) => throw new NotSupportedException("no rule");
    }

    private sealed class Named(string name) : ICheckpointLayout
    {
        public string Name => name;
        public void CheckPart(string part) { }
        public IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<(string Part, StateMap State)> parts) => [];
        public LoadedCheckpoint Open(Cairn.Stores.IFileSource files, string folder, IEnumerable<string> fileNames) => throw new NotSupportedException();
    }
}
