namespace Cairn.Peers;

/// <summary>What a contender did: milliseconds until it was done, for how many of them training waited, and whether the values are the right ones.</summary>
internal sealed record Answer(double Ms, double? Stall = null, bool? Right = null);

/// <summary>A library that saves and loads the state in a process of its own.</summary>
internal interface IContender : IDisposable
{
    /// <summary>The newest copy.</summary>
    string Newest { get; }

    /// <summary>Does what a line asks for.</summary>
    Answer Do(string operation);
}
