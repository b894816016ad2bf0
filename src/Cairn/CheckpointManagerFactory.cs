using Cairn.Ranks;
using Cairn.State;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Cairn;

/// <summary>Starts the run that the registered <see cref="CheckpointOptions"/> describe. Registered by <c>AddCairn</c>. In a job of many ranks, register its <see cref="RankGroup"/> too; for a run in an object store, its <see cref="Stores.IRunStore"/>.</summary>
public sealed class CheckpointManagerFactory(IOptions<CheckpointOptions> options, TimeProvider time, ILoggerFactory? loggers = null, RankGroup? ranks = null)
{
    /// <inheritdoc cref="CheckpointManager.StartAsync"/>
    public Task<CheckpointManager> StartAsync(TrainState train, IEnumerable<IStatePart> parts, CancellationToken cancellationToken = default) =>
        CheckpointManager.StartAsync(options.Value, train, parts, loggers, time, ranks, cancellationToken);
}
