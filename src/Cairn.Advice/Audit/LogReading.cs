namespace Cairn.Advice.Audit;

/// <summary>One pass over the messages of a run's logs.</summary>
internal abstract class LogReading
{
    /// <summary>The next message, in the order of time.</summary>
    public abstract void Take(LogMessage message);

    /// <summary>What they said together.</summary>
    public abstract RunHistory Finish();
}
