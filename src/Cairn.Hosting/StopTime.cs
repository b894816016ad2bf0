namespace Cairn.Hosting;

/// <summary>How long a stop may take, from what batches and saves took: one of each. Belongs to the training thread.</summary>
/// <param name="limit">The time that the host gives; negative when it waits without end.</param>
internal sealed class StopTime(TimeSpan limit)
{
    private bool _said;

    /// <summary>The longest batch.</summary>
    public TimeSpan Batch { get; private set; }

    /// <summary>The longest save.</summary>
    public TimeSpan Save { get; private set; }

    /// <summary>A batch or a save took this long.</summary>
    /// <returns>Whether a stop may now take longer than the limit; <see langword="true"/> once.</returns>
    public bool Exceeds(TimeSpan batch = default, TimeSpan save = default)
    {
        (Batch, Save) = (Max(Batch, batch), Max(Save, save));
        if (_said || limit < TimeSpan.Zero || Batch + Save <= limit)
            return false;
        return _said = true;
    }

    private static TimeSpan Max(TimeSpan left, TimeSpan right) => left > right ? left : right;
}
