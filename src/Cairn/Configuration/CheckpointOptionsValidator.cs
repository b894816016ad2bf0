using Microsoft.Extensions.Options;

namespace Cairn.Configuration;

/// <summary>Checks <see cref="CheckpointOptions"/>: the ranges that its attributes state, and what values must be to go together.</summary>
public sealed partial class CheckpointOptionsValidator : IValidateOptions<CheckpointOptions>
{
    private static readonly AttributeValidator Attributes = new();

    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, CheckpointOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ValidateOptionsResultBuilder result = new();
        result.AddResult(Attributes.Validate(name, options));

        if (options.CheckpointInterval <= TimeSpan.Zero)
            result.AddError($"CheckpointInterval must be longer than zero, not {options.CheckpointInterval:c}; leave it out for no checkpoints by time.");
        if (options.SnapshotInterval <= TimeSpan.Zero)
            result.AddError($"SnapshotInterval must be longer than zero, not {options.SnapshotInterval:c}; leave it out for no snapshots by time.");
        if (options.KeepBest is not null && string.IsNullOrWhiteSpace(options.KeepBestMetric))
            result.AddError("KeepBest needs KeepBestMetric: the name of the metric by which a checkpoint is the best.");
        if (options.KeepBest is null && !string.IsNullOrWhiteSpace(options.KeepBestMetric))
            result.AddError($"KeepBestMetric is '{options.KeepBestMetric}' but KeepBest is not set: say how many of the best checkpoints to keep.");
        if (options.ResumeParts is null || options.ResumeParts.Any(string.IsNullOrWhiteSpace))
            result.AddError("ResumeParts must hold names of parts such as 'model', or be empty for all parts.");
        else if (options.ResumeParts.Count > 0 && string.IsNullOrWhiteSpace(options.ResumeFrom))
            result.AddError("ResumeParts is set but ResumeFrom is not: say from where these parts shall be taken.");
        return result.Build();
    }

    [OptionsValidator]
    private sealed partial class AttributeValidator : IValidateOptions<CheckpointOptions>;
}
