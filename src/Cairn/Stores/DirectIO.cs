namespace Cairn.Stores;

/// <summary>Whether large files of checkpoints are written past the system's page cache (O_DIRECT), on Linux. Elsewhere, and where a file system refuses, they go through it.</summary>
public enum DirectIO
{
    /// <summary>Past it, unless a short trial in the run's folder at the first save shows that the way through the cache is at least twice as fast.</summary>
    Auto,

    /// <summary>Past it wherever the file system can.</summary>
    Always,

    /// <summary>Through the page cache.</summary>
    Never,
}
