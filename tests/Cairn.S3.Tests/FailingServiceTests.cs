using Amazon.S3;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.S3.Tests;

/// <summary>A run is saved after every step while its service fails again and again, and is held to what it reported.</summary>
[Collection(nameof(OutageTests))]
public sealed class FailingServiceTests : IAsyncDisposable
{
    private static readonly int Faults = RandomFaults.Count(some: 10, all: 30), FaultsWithFastFolder = RandomFaults.Count(some: 5, all: 12);
    private const int KeptCheckpoints = 3, KeptSnapshots = 2;
    // 10 MB: the model comes in parts.
    private const int Numbers = 2_500_000;
    // Those of about three saves.
    private const int MostPieces = 600;

    private readonly ObjectGateway _gateway;
    private readonly FailingService _service;
    private readonly S3Address _address = ObjectGateway.NewAddress();
    private readonly List<SaveReport> _reports = [];
    private readonly int _seed = Environment.TickCount;
    private readonly Random _random;
    private string _now = "";
    private TrainState _train = new();
    private Program.Counting _model = new(Numbers);
    private S3RunStore? _store;
    private CheckpointManager? _run;
    private DirectoryInfo? _fast;
    private long _began;

    public FailingServiceTests(ObjectGateway gateway) => (_gateway, _service, _random) = (gateway, new FailingService(gateway), new Random(_seed));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // What is recoverable counts: the fast folder outlives all faults of the service.
    private long NewestReported => _reports.Where(report => report.IsComplete).Max(report => (long?)report.Step) ?? 0;

    [Fact]
    public Task A_run_outlives_faults_at_random_times_and_no_copy_that_it_reported_is_lost() => OutliveAsync(Faults);

    [Fact]
    public Task With_a_fast_folder_no_fault_costs_a_step_that_was_recoverable_and_no_save_fails()
    {
        _fast = Directory.CreateTempSubdirectory("cairn-fast-");
        return OutliveAsync(FaultsWithFastFolder);
    }

    private async Task OutliveAsync(int count)
    {
        ServiceFault[] faults = [.. Enumerable.Range(0, count).Select(number => (ServiceFault)(number % Enum.GetValues<ServiceFault>().Length))];
        _random.Shuffle(faults);
        for (int number = 0; number < count; number++)
        {
            _now = $"seed {_seed}, fault {number}: {faults[number]}";
            try
            {
                await SurviveAsync(faults[number]);
            }
            catch (Exception e) when (e is not Xunit.Sdk.IAssertionException)
            {
                throw new InvalidOperationException(_now, e);
            }
        }
        _now = $"seed {_seed}, at the end";
        await StartAsync();
        _train.CompleteStep();
        _model.Value++;
        _run!.AfterBatch();
        long steps = _train.Step;
        _run.Complete().FinalCheckpoint.ShouldBe($"{steps}", _now);
        await LeaveAsync();
        _reports.ShouldContain(report => report.Outcome == SaveOutcome.Failed, _now);
        // With a fast folder, what failed is that the service did not take a copy that is there, and it was tried again.
        if (_fast is not null)
            _reports.Where(report => report.Outcome == SaveOutcome.Failed).ShouldAllBe(report => report.Error!.Message.Contains("was not brought from the fast folder"), _now);

        await StartAsync();
        _train.Step.ShouldBe(steps, _now);
        await LeaveAsync();
        (await CairnCommand.RunAsync(_gateway, Token, "verify", _address.ToString())).ShouldSatisfyAllConditions(_now, said => said.Code.ShouldBe(0), said => said.Output.ShouldContain(" 0 bad"));
        await using var store = new S3RunStore(_address, _gateway.Options);
        (await store.ListAsync(".staging", Token)).ShouldBeEmpty(_now);
        using AmazonS3Client client = _gateway.NewClient();
        ((await client.ListMultipartUploadsAsync(ObjectGateway.Bucket, _address.Prefix, Token)).MultipartUploads ?? []).ShouldBeEmpty(_now);
    }

    public async ValueTask DisposeAsync()
    {
        if (_run is not null)
            await LeaveAsync();
        await _service.DisposeAsync();
        _fast?.Delete(recursive: true);
    }

    // Trains until the service has failed and is back. In the middle of it the process may be left as by a crash, and another follows.
    private async Task SurviveAsync(ServiceFault fault)
    {
        bool isLeft = _random.Next(3) == 0;
        (Task fails, Task isBack) = _service.FailOnce(fault, _random.Next(MostPieces), tries: _fast is null ? _random.Next(1, 6) : 1);
        while (!isBack.IsCompleted)
        {
            if (_run is null && !await TryStartAsync(fails))
                continue;
            _model.Value++;
            _train.CompleteStep();
            _run!.AfterBatch();
            if (isLeft && fails.IsCompleted)
            {
                isLeft = false;
                await LeaveAsync();
            }
        }
        await isBack;
        if (_run is null)
            await StartAsync();
        // Waits for the save under way, and the service being well, the last step is saved.
        long step = _train.Step;
        _run!.Complete();
        if (step > 0)
            NewestReported.ShouldBe(step, _now);
        await LeaveAsync();
        await CheckCopiesAsync();
    }

    private async Task<bool> TryStartAsync(Task fails)
    {
        try
        {
            await StartAsync();
            return true;
        }
        catch (CheckpointException) when (fails.IsCompleted)
        {
            _service.Refused();
            return false;
        }
    }

    private async Task StartAsync()
    {
        S3StoreOptions options = _service.Options;
        // By turns less than what the service needs to come back, and more.
        options.RetryFor = _random.Next(2) == 0 ? TimeSpan.FromSeconds(0.5) : TimeSpan.FromSeconds(10);
        _store = new S3RunStore(_address, options);
        (_train, _model) = (new TrainState(), new Program.Counting(Numbers));
        try
        {
            _run = await CheckpointManager.StartAsync(
                new CheckpointOptions { Store = _store, FastFolder = _fast?.FullName, CheckpointEvery = 3, SnapshotEvery = 1, KeepLast = KeptCheckpoints, Asynchronous = _random.Next(2) == 0, HandleSignals = false },
                _train, [_model], cancellationToken: Token);
        }
        catch
        {
            await _store.DisposeAsync();
            throw;
        }
        _run.SaveEnded += (_, report) =>
        {
            _reports.Add(report);
            if (report.Outcome == SaveOutcome.Failed)
                _service.Refused();
        };
        _began = _train.Step;
        // A save whose answer was lost may have been made all the same.
        _train.Step.ShouldBeGreaterThanOrEqualTo(NewestReported, _now);
        if (_train.Step > NewestReported && _fast is null)
            _reports.ShouldContain(report => report.Step == _train.Step && report.Outcome == SaveOutcome.Failed, _now);
        _model.Value.ShouldBe(_train.Step, _now);
        _model.IsWhole.ShouldBeTrue(_now);
    }

    // Within a batch, so that the end is not saved.
    private async Task LeaveAsync()
    {
        (CheckpointManager run, S3RunStore store, _run) = (_run!, _store!, null);
        run.BeginBatch();
        await run.DisposeAsync();
        await store.DisposeAsync();
        for (long step = _began + 1; step <= _train.Step; step++)
            _reports.ShouldContain(report => report.Step == step, $"{_now}: nothing was reported of step {step}");
    }

    // What retention and slots have a place for is there, and every byte of it.
    private async Task CheckCopiesAsync()
    {
        await using var store = new S3RunStore(_address, _gateway.Options);
        var files = new StoreFiles(store);
        CatalogEntry[] whole = [.. Catalog.Read(files).Entries.Where(entry => entry.Marker is not null && Verifier.Verify(files, entry, Token) is null)];
        foreach (SaveReport saved in _reports.Where(report => report.Outcome == SaveOutcome.Saved))
        {
            CatalogEntry[] ofKind = [.. whole.Where(entry => entry.Kind == saved.Kind)];
            int kept = saved.Kind == SaveKind.Checkpoint ? KeptCheckpoints : KeptSnapshots;
            if (ofKind.Count(entry => entry.Step > saved.Step) < kept)
                ofKind.ShouldContain(entry => entry.Step == saved.Step, $"{_now}: the {saved.Kind} of step {saved.Step} is lost");
        }
    }
}
