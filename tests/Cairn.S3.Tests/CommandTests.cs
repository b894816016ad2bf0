using System.Diagnostics;
using Cairn.Cli.Tests;
using Cairn.Stores;

namespace Cairn.S3.Tests;

/// <summary>The command on runs in an object store.</summary>
public class CommandTests
{
    private const int FoundBad = 1, WrongUse = 2, CouldNot = 3;

    private readonly ObjectGateway _gateway;

    /// <summary>Has the command reach the gateway.</summary>
    public CommandTests(ObjectGateway gateway)
    {
        _gateway = gateway;
        CairnCall.Reach(gateway.Options);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runs_are_listed_verified_shown_and_compared()
    {
        S3Address address = ObjectGateway.NewAddress();
        await using var store = new S3RunStore(address, _gateway.Options);
        (var train, var model) = (new TrainState(), new Program.Counting(1000));
        await using (CheckpointManager run = await CheckpointManager.StartAsync(new CheckpointOptions { Store = store, CheckpointEvery = 5, Asynchronous = false, HandleSignals = false }, train, [model], cancellationToken: Token))
        {
            while (train.Step < 12)
            {
                model.Value++;
                train.CompleteStep();
                run.AfterBatch();
            }
            run.Complete();
        }
        (await CommandAsync("ls", address.ToString())).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0), said => said.Output.ShouldContain("A restart takes 12/."));
        (await CommandAsync("ls", $"{address}/10")).Output.ShouldContain("1 checkpoint");
        (await CommandAsync("verify", address.ToString())).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0), said => said.Output.ShouldContain("0 bad"));
        (await CommandAsync("show", address.ToString())).Output.ShouldContain("checkpoint of step 12");
        (await CommandAsync("diff", $"{address}/5", $"{address}/10")).Output.ShouldContain("model");
        (await CommandAsync("ls", $"{address}/nothing")).Code.ShouldBe(CouldNot);
        using var folder = new DisposableFolder();
        (await CommandAsync("export", address.ToString(), "--tensorboard", folder["board"])).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("up to step 12"));
        Directory.GetFiles(folder["board"], "*tfevents*", SearchOption.AllDirectories).ShouldHaveSingleItem();

        await store.DeleteAsync("10/10.step", Token);
        (await CommandAsync("ls", address.ToString())).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(FoundBad), said => said.Output.ShouldContain("incomplete"));
    }

    [Fact]
    public async Task A_copy_goes_to_a_store_and_back_and_a_run_is_synced_there_and_back()
    {
        using var folder = new DisposableFolder();
        string run = folder["run"], back = folder["back"], one = folder["one"];
        await TrainAsync(run, steps: 12);
        string address = ObjectGateway.NewAddress().ToString(), other = ObjectGateway.NewAddress().ToString();

        (await CommandAsync("cp", $"{run}/10", address)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("It was read back and is good."));
        (await CommandAsync("cp", $"{run}/10", address)).Output.ShouldContain("already there");
        (await CommandAsync("cp", $"{address}/10", one)).Code.ShouldBe(0);
        Same($"{run}/10", $"{one}/10");

        (await CommandAsync("sync", run, address)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("already there  10"));
        (await CommandAsync("sync", address, other)).Code.ShouldBe(0);
        (await CommandAsync("sync", other, back)).Code.ShouldBe(0);
        foreach (string copy in (string[])["5", "10", "12", "snapshot/0", "snapshot/1"])
            Same($"{run}/{copy}", Directory.GetDirectories(Path.GetDirectoryName($"{back}/{copy}")!).Single(found => StepOf(found) is { } step && step == StepOf($"{run}/{copy}")));
        (await File.ReadAllTextAsync($"{back}/run.json", Token)).ShouldBe(await File.ReadAllTextAsync($"{run}/run.json", Token));
        (await File.ReadAllTextAsync($"{back}/journal.jsonl", Token)).ShouldBe(await File.ReadAllTextAsync($"{run}/journal.jsonl", Token));
        (await CommandAsync("sync", run, other)).Output.ShouldContain("0 copies copied");
        foreach (string place in (string[])[address, other, back])
            (await CommandAsync("verify", place)).Code.ShouldBe(0);
        await ResumesAsync(back, at: 12);
        await ResumesAsync(other, at: 12);
    }

    [Fact]
    public async Task A_sync_that_was_killed_goes_on_and_what_it_left_is_a_run()
    {
        using var folder = new DisposableFolder();
        string run = folder["run"], address = ObjectGateway.NewAddress().ToString();
        await TrainAsync(run, steps: 60, numbers: 400_000);
        using (Process sync = Start("sync", run, address))
        {
            (await sync.StandardOutput.ReadLineAsync(Token)).ShouldStartWith("copied  5  ");
            sync.Kill();
            await sync.WaitForExitAsync(Token);
        }
        await using var store = new S3RunStore(S3Address.Parse(address), _gateway.Options);
        (await store.ListAsync("", Token)).ShouldContain(entry => entry.Name == "5");
        (await CommandAsync("sync", run, address)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("already there  5  "));
        (await CommandAsync("verify", address)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0), said => said.Output.ShouldContain(", 0 bad"));
        (await store.ListAsync(".staging", Token)).ShouldBeEmpty();
        (await CommandAsync("sync", run, address, "--dry-run")).Output.ShouldContain("0 copies would be copied");
    }

    [Fact]
    public async Task Ctrl_C_leaves_nothing_of_the_copy_that_was_under_way()
    {
        using var folder = new DisposableFolder();
        string run = folder["run"], address = ObjectGateway.NewAddress().ToString();
        await TrainAsync(run, steps: 30, numbers: 400_000);
        await using var store = new S3RunStore(S3Address.Parse(address), _gateway.Options);
        using (Process sync = Start("sync", run, address))
        {
            (await sync.StandardOutput.ReadLineAsync(Token)).ShouldStartWith("copied  5  ");
            using (var signal = Process.Start("kill", ["-INT", sync.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
                await signal.WaitForExitAsync(Token);
            await sync.StandardOutput.ReadToEndAsync(Token);
            await sync.WaitForExitAsync(Token);
        }
        (await store.ListAsync(".staging", Token)).ShouldBeEmpty();
        (await CommandAsync("ls", address)).Code.ShouldBe(0, "no folder is half a copy");
        (await CommandAsync("sync", run, address)).Code.ShouldBe(0, "the lease was let go of");
    }

    [Fact]
    public async Task A_copy_of_InternLM_without_a_marker_of_Cairn_comes_back_as_it_was()
    {
        using var folder = new DisposableFolder();
        string run = folder["run"], back = folder["back"], address = ObjectGateway.NewAddress().ToString();
        await TrainAsync(folder["made"], steps: 10, layout: "internlm");
        // As InternLM leaves it: without what only Cairn writes.
        Directory.CreateDirectory($"{run}/10");
        foreach (string file in Directory.GetFiles(folder["made"] + "/10").Where(file => Path.GetExtension(file) is ".pt" or ".step" && Path.GetFileName(file) != "cairn.pt"))
            File.Copy(file, $"{run}/10/{Path.GetFileName(file)}");
        (await CommandAsync("cp", $"{run}/10", address)).Code.ShouldBe(0);
        (await CommandAsync("cp", $"{run}/10", address)).Output.ShouldContain("already there");
        (await CommandAsync("sync", address, back)).Code.ShouldBe(0);
        Same($"{run}/10", $"{back}/10");
        await using var store = new S3RunStore(S3Address.Parse(address), _gateway.Options);
        await store.DeleteAsync("10/10.step", Token);
        (await CommandAsync("sync", run, address)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0), said => said.Output.ShouldContain("copied  10"));
        (await store.ListAsync("", Token)).ShouldNotContain(entry => entry.Name == "abandoned", "what was left of the same copy is no copy of anybody");
    }

    [Fact]
    public async Task A_run_in_a_store_is_pruned_branched_audited_and_converted()
    {
        using var folder = new DisposableFolder();
        S3Address address = ObjectGateway.NewAddress();
        string run = address.ToString();
        await using var store = new S3RunStore(address, _gateway.Options);
        await TrainAsync(folder["unused"], steps: 22, store: store);

        (await CommandAsync("prune", run, "--keep-last", "2")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("Nothing was done"));
        (await CommandAsync("prune", run, "--keep-last", "2", "--yes")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("removed"));
        (await store.ListAsync("", Token)).Where(entry => int.TryParse(entry.Name, out _)).Select(entry => entry.Name).ShouldBe(["20", "22"], ignoreOrder: true);

        (await CommandAsync("audit", run)).ShouldSatisfyAllConditions(said => said.Output.ShouldContain("by its journal"), said => said.Output.ShouldContain("22"));
        (await CommandAsync("watch", run)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("step 22"));
        (await CommandAsync("stop", run)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(CouldNot), said => said.Output.ShouldContain("No process trains"));

        (await CommandAsync("branch", run, "--from", "20", "--name", "colder")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("resumes at step 20"));
        (await CommandAsync("ls", run)).Output.ShouldContain("A restart takes 20/.");
        (await CommandAsync("audit", run)).Output.ShouldContain("by its journal", customMessage: "the branch stands in the journal too");

        (await CommandAsync("convert", run, folder["model.pt"], "--layout", "torch")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("read back and compared"));
        (await CommandAsync("convert", folder["model.pt"], run, "--layout", "cairn")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(WrongUse), said => said.Output.ShouldContain("convert writes into folders only"));
    }

    [Fact]
    public async Task A_run_that_trains_in_a_store_is_watched_saved_and_stopped_and_not_changed_meanwhile()
    {
        S3Address address = ObjectGateway.NewAddress();
        string run = address.ToString();
        await using var store = new S3RunStore(address, _gateway.Options);
        Task training = Task.Run(() => TrainAsync("unused", steps: int.MaxValue, store: store, checkpointEvery: 1_000_000), Token);
        await UntilAsync(async () => (await store.ListAsync("snapshot", Token)).Count > 0, training);
        (await CommandAsync("watch", run, "--once")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("training"));
        (await CommandAsync("save", run)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldStartWith("done  checkpoint "));
        (await CommandAsync("prune", run, "--keep-last", "2", "--yes")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(CouldNot), said => said.Output.ShouldContain("is being written by"));
        (await CommandAsync("branch", run, "--from", "1")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(CouldNot), said => said.Output.ShouldContain("is being written by"));
        using (var folder = new DisposableFolder())
        {
            (await CommandAsync("sync", run, folder["here"])).Code.ShouldBe(0, "a source that trains is no harm");
            (await CommandAsync("verify", folder["here"])).Code.ShouldBe(0);
            (await CommandAsync("sync", folder["here"], run)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(CouldNot), said => said.Output.ShouldContain("is being written by"));
        }
        (await CommandAsync("stop", run)).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0, said.Output), said => said.Output.ShouldContain("is saved"), said => said.Output.ShouldContain("the process has ended"));
        await training;
        (await CommandAsync("verify", run)).Code.ShouldBe(0);
    }

    private static async Task UntilAsync(Func<Task<bool>> holds, Task running)
    {
        while (!await holds())
        {
            if (running.IsCompleted)
                await running;
            await Task.Delay(TimeSpan.FromMilliseconds(100), Token);
        }
    }

    private static async Task TrainAsync(string folder, int steps, int numbers = 1000, string layout = "cairn", IRunStore? store = null, long checkpointEvery = 5)
    {
        (var train, var model) = (new TrainState(), new Program.Counting(numbers));
        var options = new CheckpointOptions { Folder = folder, CheckpointEvery = checkpointEvery, SnapshotEvery = 2, Asynchronous = false, HandleSignals = false, Layout = layout, Store = store };
        await using CheckpointManager run = await CheckpointManager.StartAsync(options, train, [model], cancellationToken: Token);
        while (train.Step < steps)
        {
            model.Value++;
            train.CompleteStep();
            if (!run.AfterBatch())
                break;
        }
        run.Complete();
    }

    private async Task ResumesAsync(string place, long at)
    {
        (var train, var model) = (new TrainState(), new Program.Counting(1000));
        var options = new CheckpointOptions { Folder = place, HandleSignals = false };
        if (RunStores.IsAddress(place))
            options.Store = new S3RunStore(S3Address.Parse(place), _gateway.Options);
        await using CheckpointManager run = await CheckpointManager.StartAsync(options, train, [model], cancellationToken: Token);
        (train.Step, model.Value, model.IsWhole).ShouldBe((at, at, true));
        run.Complete();
    }

    // Every file but the marker, which names the lease that wrote it.
    private static void Same(string folder, string other)
    {
        string[] files = [.. Directory.GetFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        files.Length.ShouldBeGreaterThan(1);
        Directory.GetFiles(other).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal).ShouldBe(files);
        bool isOfCairn = !files.Any(file => file.EndsWith(".pt", StringComparison.Ordinal));
        foreach (string file in files.Where(file => !isOfCairn || !file.EndsWith(".step", StringComparison.Ordinal)))
            File.ReadAllBytes($"{other}/{file}").ShouldBe(File.ReadAllBytes($"{folder}/{file}"), file);
    }

    private static string? StepOf(string folder) => Path.GetFileName(Directory.GetFiles(folder, "*.step").SingleOrDefault());

    // In this process: a process of its own takes a second to reach a service, and here nothing depends on it.
    private static async Task<(int Code, string Output)> CommandAsync(params string[] arguments)
    {
        Result said = await Task.Run(() => CairnCall.Run(arguments), Token);
        return (said.Code, said.Out + said.Error);
    }

    private Process Start(params string[] arguments) => CairnCommand.Start(_gateway, arguments);

    private sealed class DisposableFolder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-command-");

        public string this[string name] => Path.Combine(_folder.FullName, name);

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
