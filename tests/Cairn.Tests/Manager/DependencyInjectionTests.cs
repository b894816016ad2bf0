using Cairn.Alerts;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Cairn.Tests.Manager;

public class DependencyInjectionTests
{
    [Fact]
    public void A_registered_receiver_of_alerts_is_taken()
    {
        var sink = new NoSink();
        using ServiceProvider services = new ServiceCollection().AddSingleton<IAlertSink>(sink).AddCairn(options => options.Folder = "f").BuildServiceProvider();
        services.GetRequiredService<IOptions<CheckpointOptions>>().Value.AlertSink.ShouldBe(sink);
    }

    private sealed class NoSink : IAlertSink
    {
        public Task SendAsync(Alert alert, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    [Fact]
    public async Task A_run_configured_in_InternLMs_words_starts_from_the_service_collection()
    {
        string folder = Directory.CreateTempSubdirectory("cairn-di-").FullName;
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["save_ckpt_folder"] = "local:" + folder,
            ["checkpoint_every"] = "10",
            ["oss_snapshot_freq"] = "5",
            ["async_upload"] = "false",
        }).Build();
        using ServiceProvider services = new ServiceCollection().AddLogging().AddCairn(configuration).BuildServiceProvider();
        var training = new SampleTraining();
        await using (CheckpointManager checkpoints = await services.GetRequiredService<CheckpointManagerFactory>()
            .StartAsync(training.Train, [training.Weights], TestContext.Current.CancellationToken))
        {
            for (int batch = 0; batch < 10; batch++)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
            (checkpoints.LastCheckpoint, checkpoints.LastSnapshot).ShouldBe((10, 5));
        }
        Directory.Delete(folder, recursive: true);
    }
}
