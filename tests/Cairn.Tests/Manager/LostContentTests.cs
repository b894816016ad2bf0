using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>A part that lost its content is not saved over good state.</summary>
public class LostContentTests
{
    readonly SimulatedFileSystem _files = new();
    readonly TrainState _train = new();
    readonly TensorsPart _part = new();
    readonly List<SaveReport> _reports = [];

    static CheckpointOptions Options => new() { Folder = "run", CheckpointEvery = 10, SnapshotEvery = 0, KeepLast = 2, HandleSignals = false, Asynchronous = false };

    public static TheoryData<string, Action<StateMap>> Losses => new()
    {
        { "a", static tensors => tensors["a"] = 1L },
        { "list/1", static tensors => tensors["list"] = new StateList([Tensor(4)]) },
        { "a has 3 of 4 elements", static tensors => tensors["a"] = Tensor(3) },
    };

    [Theory, MemberData(nameof(Losses))]
    public async Task A_part_that_lost_a_tensor_is_refused_by_name_and_nothing_is_retired(string lost, Action<StateMap> lose)
    {
        await using CheckpointManager checkpoints = Start();
        Train(checkpoints, 20);
        StateMap whole = _part.State;
        _part.State = TensorsPart.Whole();
        lose(_part.State);
        Train(checkpoints, 30);
        var error = _reports[^1].Error.ShouldBeOfType<LostContentException>();
        (error.Part, error.Step).ShouldBe(("model", 30));
        error.Entries.ShouldBe([lost]);
        Steps().ShouldBe([20, 10]);
        _part.State = whole;
        Train(checkpoints, 40);
        _reports[^1].Outcome.ShouldBe(SaveOutcome.Saved);
        Steps().ShouldBe([40, 20]);
    }

    [Fact]
    public async Task A_part_without_anything_left_is_refused_also_when_it_had_no_tensors()
    {
        _part.State = new StateMap { { "position", 3L } };
        await using CheckpointManager checkpoints = Start();
        _part.State = [];
        Train(checkpoints, 10);
        _reports[^1].Error.ShouldBeOfType<LostContentException>().Message.ShouldContain("all of its values");
        _part.State = new StateMap { { "position", 4L } };
    }

    [Fact]
    public async Task The_final_checkpoint_of_a_part_that_was_disposed_fails_loudly_and_the_one_before_stands()
    {
        CheckpointManager checkpoints = Start();
        Train(checkpoints, 12);
        _part.State = [];
        Should.Throw<CheckpointException>(checkpoints.Complete).InnerException.ShouldBeOfType<LostContentException>();
        // Whether it tries once more or not: there is nothing to save.
        _ = await Record.ExceptionAsync(async () => await checkpoints.DisposeAsync());
        Steps().ShouldBe([10]);
    }

    [Fact]
    public async Task What_was_resumed_is_the_measure_of_the_first_save()
    {
        await using (CheckpointManager checkpoints = Start())
            Train(checkpoints, 10);
        await using CheckpointManager again = Start();
        again.Resume.Step.ShouldBe(10);
        StateMap whole = _part.State;
        _part.State = [];
        Train(again, 20);
        _reports[^1].Error.ShouldBeOfType<LostContentException>();
        _part.State = whole;
    }

    [Fact]
    public async Task What_appears_and_grows_is_saved_and_may_not_vanish_after_that()
    {
        await using CheckpointManager checkpoints = Start();
        _part.State["momentum"] = Tensor(2);
        Train(checkpoints, 10);
        _part.State["momentum"] = Tensor(3);
        Train(checkpoints, 20);
        _reports.ShouldAllBe(report => report.Outcome == SaveOutcome.Saved);
        _part.State["momentum"] = StateScalar.Null;
        Train(checkpoints, 30);
        _reports[^1].Error.ShouldBeOfType<LostContentException>().Entries.ShouldBe(["momentum"]);
        _part.State["momentum"] = Tensor(3);
    }

    [Fact]
    public async Task A_smaller_part_is_saved_when_the_program_says_that_it_is_meant()
    {
        await using CheckpointManager checkpoints = Start();
        Train(checkpoints, 10);
        _part.State = new StateMap { { "a", Tensor(1) } };
        Should.Throw<ArgumentException>(() => checkpoints.AcceptSmallerPart("modle")).Message.ShouldContain("model");
        checkpoints.AcceptSmallerPart("model");
        Train(checkpoints, 20);
        _reports[^1].Outcome.ShouldBe(SaveOutcome.Saved);
        _part.State = new StateMap { { "b", Tensor(1) } };
        Train(checkpoints, 30);
        _reports[^1].Error.ShouldBeOfType<LostContentException>();
        checkpoints.AcceptSmallerPart("model");
    }

    [Fact]
    public async Task A_part_whose_tensors_come_and_go_is_saved_as_it_is()
    {
        _part.MayShrink = true;
        await using CheckpointManager checkpoints = Start();
        _part.State = [];
        Train(checkpoints, 10);
        _reports[^1].Outcome.ShouldBe(SaveOutcome.Saved);
    }

    [Fact]
    public void One_rank_that_lost_content_costs_the_save_of_all()
    {
        var job = new JobOfThreads(_files);
        job.Run(new World(2, 1, 1, 1), rank =>
        {
            CheckpointManager checkpoints = rank.Start(Options);
            rank.Train(checkpoints, 10);
            rank.Training.Model.IsGone = rank.Rank == 1;
            rank.Train(checkpoints, 20);
            rank.Training.Model.IsGone = false;
            rank.Train(checkpoints, 30);
        });
        foreach (RankOfThreads rank in job.Ranks)
        {
            rank.Reports.Where(report => report.Kind == SaveKind.Checkpoint).Select(report => report.Outcome).ShouldBe([SaveOutcome.Saved, SaveOutcome.Failed, SaveOutcome.Saved]);
            rank.Reports.Single(report => report.Outcome == SaveOutcome.Failed).Error!.Message.ShouldContain("'model' has lost");
        }
        Steps().ShouldBe([30, 10]);
    }

    CheckpointManager Start()
    {
        CheckpointManager checkpoints = CheckpointManager.Start(_files, Options, _train, [_part]);
        checkpoints.SaveEnded += (_, report) => _reports.Add(report);
        return checkpoints;
    }

    void Train(CheckpointManager checkpoints, long until)
    {
        while (_train.Step < until)
        {
            _train.CompleteStep();
            checkpoints.AfterBatch();
        }
    }

    IEnumerable<long> Steps() => Catalog.Read(_files).Entries.Select(entry => entry.Step);

    static MemoryTensor Tensor(int elements) => new(TensorType.F32, [elements], new byte[elements * 4]);

    sealed class TensorsPart : IStatePart
    {
        public StateMap State { get; set; } = Whole();
        public bool MayShrink { get; set; }
        public string Name => "model";

        public static StateMap Whole() => new() { { "a", Tensor(4) }, { "b", Tensor(1) }, { "list", new StateList([Tensor(4), Tensor(5)]) }, { "count", 1L } };

        public StateMap Capture() => State;
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
