namespace Cairn.Alerts;

/// <summary>Where alerts go: mail, a pager, a queue. Implement it to send them elsewhere than to an address of <see cref="CheckpointOptions.Alerts"/>.</summary>
public interface IAlertSink
{
    /// <summary>
    /// Sends an alert. Called one at a time, never on the training thread; training does not wait for it. What it throws goes to the log, and the alert is not sent again.
    /// </summary>
    /// <param name="alert">The alert.</param>
    /// <param name="cancellationToken">Set when the run has ended and no longer waits for its alerts.</param>
    Task SendAsync(Alert alert, CancellationToken cancellationToken);
}
