using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Manager;

namespace Cairn.Tests.Starting;

/// <summary>What a run starts from, and what it refuses to start from.</summary>
public class StartTests
{
    [Fact]
    public async Task Weights_alone_are_taken_from_another_run_for_fine_tuning()
    {
        using var folder = new TemporaryFolder();
        float weights = await TrainAsync(folder["first"], 10);
        CheckpointOptions options = Options(folder["second"]);
        options.ResumeFrom = folder["first"];
        options.ResumeParts = ["model"];
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = training.Start(new LocalFileSystem(folder["second"]), options))
        {
            training.Weights.Value.ShouldBe(weights);
            (training.Train.Step, checkpoints.Resume.Parts.Single()).ShouldBe((0, "model"));
            training.Batch();
            checkpoints.AfterBatch();
        }
        // The same command line again: what stands in the run's own folder wins.
        var again = new SampleTraining();
        await using CheckpointManager restarted = again.Start(new LocalFileSystem(folder["second"]), options);
        restarted.Resume.Step.ShouldBe(1);
        restarted.Resume.Parts.ShouldBe(["model", "context"]);
    }

    [Theory, InlineData("2026-11-26 12:30:00"), InlineData("model:v3"), InlineData("a\\b"), InlineData(" x ")]
    public async Task A_run_in_a_folder_of_any_name_resumes_and_is_resumed_from(string name)
    {
        using var folder = new TemporaryFolder();
        float weights = await TrainAsync(folder[name], 10);
        File.WriteAllText(Path.Join(folder[name], "10", "x:y"), "foreign");
        CheckpointOptions options = Options(folder["second"]);
        options.ResumeFrom = folder[$"{name}/10"];
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = training.Start(new LocalFileSystem(folder["second"]), options))
            training.Weights.Value.ShouldBe(weights);
        await using CheckpointManager again = Start(folder.Path, name, out SampleTraining resumed);
        (again.Resume.Step, resumed.Weights.Value).ShouldBe((10, weights));
    }

    private static CheckpointManager Start(string parent, string name, out SampleTraining training)
    {
        training = new SampleTraining();
        return training.Start(new LocalFileSystem(Path.Join(parent, name)), Options(Path.Join(parent, name)));
    }

    [Fact]
    public async Task A_branch_from_an_older_step_is_asked_for_by_name_and_the_same_command_goes_on_with_it()
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder.Path, 10);
        await TrainAsync(folder.Path, 20);
        CheckpointOptions options = Options(folder.Path);
        options.ResumeFrom = "10";
        Should.Throw<CheckpointException>(() => Start(folder, options)).Message.ShouldContain("name the new branch");
        options.Branch = "colder";
        await using (CheckpointManager checkpoints = Start(folder, options, out SampleTraining training))
        {
            (checkpoints.Resume.Step, checkpoints.Resume.Branch.Name).ShouldBe((10, "colder"));
            training.Batch();
            checkpoints.AfterBatch();
        }
        await using (CheckpointManager checkpoints = Start(folder, options))
            checkpoints.Resume.Step.ShouldBe(11);
        await using (CheckpointManager checkpoints = Start(folder, Options(folder.Path)))
            checkpoints.Resume.Step.ShouldBe(11, "the newer step 20 was left behind");
        Directory.Exists(folder["20"]).ShouldBeTrue();
    }

    [Fact]
    public async Task A_branch_that_began_at_another_step_is_not_taken_for_the_one_that_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder.Path, 10);
        await TrainAsync(folder.Path, 20);
        await TrainAsync(folder.Path, 30);
        CheckpointOptions options = Options(folder.Path);
        (options.ResumeFrom, options.Branch) = ("20", "colder");
        await using (Start(folder, options)) { }
        options.ResumeFrom = folder["10"];
        Should.Throw<CheckpointException>(() => Start(folder, options)).Message.ShouldContain("began at step 20, not at step 10");
        options.ResumeFrom = "20";
        await using CheckpointManager checkpoints = Start(folder, options);
        checkpoints.Resume.Step.ShouldBe(20);
    }

    [Fact]
    public async Task A_branch_from_a_slot_goes_on_when_the_slot_holds_another_step()
    {
        using var folder = new TemporaryFolder();
        CheckpointOptions options = Options(folder.Path);
        options.SnapshotEvery = 1;
        await using (CheckpointManager checkpoints = Start(folder, options, out SampleTraining training))
            Batches(checkpoints, training, 2);
        (options.ResumeFrom, options.Branch) = (folder["snapshot/0"], "colder");
        await using (CheckpointManager checkpoints = Start(folder, options, out SampleTraining training))
        {
            checkpoints.Resume.Step.ShouldBe(1);
            Batches(checkpoints, training, 5);
        }
        await using CheckpointManager again = Start(folder, options);
        again.Resume.Step.ShouldBe(6);
    }

    private static void Batches(CheckpointManager checkpoints, SampleTraining training, int count)
    {
        for (int i = 0; i < count; i++)
        {
            training.Batch();
            checkpoints.AfterBatch();
        }
    }

    [Fact]
    public async Task A_run_that_was_finished_without_a_word_starts()
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder.Path, 10);
        string record = File.ReadAllText(folder["run.json"]);
        File.WriteAllText(folder["run.json"], record.Replace("\"branch\": 0", "\"finished\": {\"step\": 10, \"branch\": 0, \"reason\": \"\"}, \"branch\": 0"));
        await using CheckpointManager checkpoints = Start(folder, Options(folder.Path), out SampleTraining training);
        training.Train.FinishedBecause.ShouldBe("for a reason that is not recorded");
    }

    [Fact]
    public async Task Some_parts_of_the_newest_step_are_taken_on_a_named_branch_and_refused_without_one()
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder.Path, 10);
        Directory.CreateSymbolicLink(folder["link"], folder.Path);
        foreach (string from in (string[])["10", folder["10"], folder["link/10"], folder.Path, folder["link"]])
        {
            CheckpointOptions options = Options(folder.Path);
            (options.ResumeFrom, options.ResumeParts) = (from, ["model"]);
            string message = Should.Throw<CheckpointException>(() => Start(folder, options), from).Message;
            message.ShouldContain("takes only model");
            message.ShouldContain("Branch");
        }
        CheckpointOptions named = Options(folder.Path);
        (named.ResumeFrom, named.ResumeParts, named.Branch) = ("10", ["model"], "weights only");
        await using (CheckpointManager checkpoints = Start(folder, named, out SampleTraining training))
        {
            (training.Train.Step, checkpoints.Resume.Parts.Single()).ShouldBe((0, "model"));
            training.TrainTo(checkpoints, 3);
        }
        // What it began with has a higher step, and does not win over what it has made.
        await using CheckpointManager again = Start(folder, named, out SampleTraining resumed);
        resumed.Train.Step.ShouldBe(3);
    }

    [Fact]
    public async Task A_step_of_the_run_is_known_by_a_path_through_a_link()
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder.Path, 10);
        await TrainAsync(folder.Path, 20);
        Directory.CreateSymbolicLink(folder["link"], folder.Path);
        CheckpointOptions options = Options(folder.Path);
        options.ResumeFrom = folder["link/10"];
        Should.Throw<CheckpointException>(() => Start(folder, options)).Message.ShouldContain("name the new branch");
    }

    [Fact]
    public async Task A_state_that_does_not_fit_is_refused_with_all_that_does_not_and_nothing_is_changed()
    {
        using var folder = new TemporaryFolder();
        await TrainAsync(folder.Path, 10);
        var train = new TrainState();
        var weights = new WeightsPart();
        StateMismatchException error = Should.Throw<StateMismatchException>(() => CheckpointManager.Start(
            new LocalFileSystem(folder.Path), Options(folder.Path), train, [weights, new Named("ema"), new Named("sampler")]));
        error.Problems.Missing.ShouldBe(["part 'ema'", "part 'sampler'"]);
        (weights.Value, train.Step).ShouldBe((1f, 0L));
        // The lock was let go.
        await using CheckpointManager checkpoints = Start(folder, Options(folder.Path));
    }

    [Fact]
    public void Two_parts_of_one_name_are_refused() =>
        Should.Throw<ArgumentException>(() => CheckpointManager.Start(new Stores.SimulatedFileSystem(), Options("run"), new TrainState(), [new Named("a"), new Named("a")])).Message.ShouldContain("'a'");

    [Fact]
    public async Task A_second_manager_on_one_run_is_refused_with_process_and_host()
    {
        using var folder = new TemporaryFolder();
        await using CheckpointManager first = Start(folder, Options(folder.Path));
        RunLockedException error = Should.Throw<RunLockedException>(() => Start(folder, Options(folder.Path)));
        error.Message.ShouldContain(Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture));
        error.Message.ShouldContain(Environment.MachineName);
    }

    [Fact]
    public void A_folder_that_cannot_be_written_fails_before_the_first_step()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["file"], "");
        Should.Throw<StoreException>(() => CheckpointManager.Start(new LocalFileSystem(folder["file/run"]), Options("run"), new TrainState(), []));
    }

    [Theory, InlineData("99", "there is no such checkpoint"), InlineData("/nowhere/at/all", "there is nothing at")]
    public async Task A_start_from_what_is_not_there_says_what_is(string from, string expected)
    {
        using var folder = new TemporaryFolder();
        if (from == "99")
            await TrainAsync(folder.Path, 10);
        CheckpointOptions options = Options(folder.Path);
        options.ResumeFrom = from;
        Should.Throw<CheckpointException>(() => Start(folder, options)).Message.ShouldContain(expected);
    }

    static CheckpointOptions Options(string folder) => new() { Folder = folder, CheckpointEvery = 1000, HandleSignals = false, Asynchronous = false };

    static CheckpointManager Start(TemporaryFolder folder, CheckpointOptions options) => Start(folder, options, out _);

    static CheckpointManager Start(TemporaryFolder folder, CheckpointOptions options, out SampleTraining training)
    {
        training = new SampleTraining();
        return training.Start(new LocalFileSystem(folder.Path), options);
    }

    static async Task<float> TrainAsync(string folder, long until)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(new LocalFileSystem(folder), Options(folder));
        training.TrainTo(checkpoints, until);
        checkpoints.Complete();
        return training.Weights.Value;
    }

    sealed class Named(string name) : IStatePart
    {
        public string Name => name;
        public StateMap Capture() => [];
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved) { }
    }
}
