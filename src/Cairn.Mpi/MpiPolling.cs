namespace Cairn.Mpi;

/// <summary>MPI has no wait with a time limit: it is asked again and again, with rests between.</summary>
internal static class MpiPolling
{
    // Nobody signals it, so a wait with a time limit is a rest.
    private static readonly SemaphoreSlim Never = new(0);

    public static void Rest(int milliseconds) => Never.Wait(milliseconds);
}
