using Cairn.Configuration;
using Cairn.Opening;
using Cairn.Layouts;
using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Configuration;

namespace Cairn.Tests.Manager;

/// <summary>Runs that are named by an address of a store, as any folder is.</summary>
public sealed class StoreAddressRunTests
{
    private readonly string _scheme = $"memory-{Guid.NewGuid():N}";
    private readonly MemoryRunStore _bucket = new();

    public StoreAddressRunTests() => RunStores.Register(_scheme, address => new Prefixed(_bucket, address));

    [Fact]
    public async Task A_run_goes_on_where_it_was_and_another_one_begins_where_it_ended()
    {
        string run = $"{_scheme}://bucket/first";
        await Train(new CheckpointOptions { Folder = run }, from: 0, until: 7);
        await Train(new CheckpointOptions { Folder = run }, from: 7, until: 12);
        foreach (string from in (string[])[run, $"{run}/", $"{run}/12"])
            await Train(new CheckpointOptions { Folder = $"{_scheme}://bucket/second{Guid.NewGuid():N}", ResumeFrom = from }, from: 12, until: 13);
        using var folder = new TemporaryFolder();
        await Train(new CheckpointOptions { Folder = folder["local"], ResumeFrom = $"{run}/10" }, from: 10, until: 11);
        await Train(new CheckpointOptions { Folder = $"{_scheme}://bucket/third", ResumeFrom = folder["local"] }, from: 11, until: 12);
        using LoadedCheckpoint opened = CheckpointReader.Open($"{run}/12");
        opened.Load("model").ShouldNotBeEmpty();
        using LoadedCheckpoint newest = CheckpointReader.Open(run);
        newest.Load("model").ShouldNotBeEmpty();
    }

    [Fact]
    public async Task A_step_of_the_run_itself_is_its_own_however_it_is_named()
    {
        string run = $"{_scheme}://bucket/first";
        await Train(new CheckpointOptions { Folder = run }, from: 0, until: 12);
        await Train(new CheckpointOptions { Folder = run, ResumeFrom = $"{run}/10", Branch = "back" }, from: 10, until: 11);
        await Train(new CheckpointOptions { Folder = run, ResumeFrom = "10", Branch = "again" }, from: 10, until: 11);
    }

    [Fact]
    public async Task A_second_process_is_refused_and_the_store_is_tried_out()
    {
        var options = new CheckpointOptions { Folder = $"{_scheme}://bucket/first", HandleSignals = false };
        await using CheckpointManager first = await CheckpointManager.StartAsync(options, new TrainState(), [new WeightsPart()], cancellationToken: TestContext.Current.CancellationToken);
        _bucket.Changes.ShouldContain(change => change.Path.Contains(".probe-", StringComparison.Ordinal));
        await Should.ThrowAsync<RunLockedException>(() => CheckpointManager.StartAsync(options, new TrainState(), [new WeightsPart()], cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Names_of_InternLM_take_it_too()
    {
        IConfigurationRoot section = new ConfigurationBuilder().AddInMemoryCollection([new("save_ckpt_folder", $"{_scheme}://bucket/a"), new("load_ckpt_info:path", $"{_scheme}://bucket/b")]).Build();
        var options = new CheckpointOptions();
        CheckpointConfiguration.Bind(section, options);
        (options.Folder, options.ResumeFrom).ShouldBe(($"{_scheme}://bucket/a", $"{_scheme}://bucket/b"));
    }

    private static async Task Train(CheckpointOptions options, long from, long until)
    {
        (options.CheckpointEvery, options.HandleSignals, options.Asynchronous) = (5, false, false);
        var train = new TrainState();
        var weights = new WeightsPart();
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [weights], cancellationToken: TestContext.Current.CancellationToken);
        train.Step.ShouldBe(from);
        while (train.Step < until)
        {
            train.CompleteStep();
            checkpoints.AfterBatch();
        }
        checkpoints.Complete().FinalCheckpoint.ShouldBe($"{until}");
    }

    // What a bucket has below a prefix.
    private sealed class Prefixed(IRunStore bucket, string address) : IRunStore
    {
        private readonly string _prefix = address.Split("://", 2)[1].TrimEnd('/');

        public string Root => address.TrimEnd('/');
        public ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default) => bucket.ListAsync(Of(folder), cancellationToken);
        public ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default) => bucket.OpenReadAsync(Of(path), cancellationToken);
        public ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default) => bucket.CreateAsync(Of(path), length, cancellationToken);
        public ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => bucket.PutAsync(Of(path), content, cancellationToken);
        public ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => bucket.TryPutAsync(Of(path), content, cancellationToken);
        public ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default) => bucket.DeleteAsync(Of(path), cancellationToken);
        private string Of(string path) => path.Length == 0 ? _prefix : $"{_prefix}/{path}";
    }
}
