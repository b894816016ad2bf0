using System.Runtime.ExceptionServices;
using Cairn.Commit;

namespace Cairn.Stopping;

/// <summary>
/// Whether any exception was raised since the last batch boundary. A disposal cannot see that it happens because of an exception; but when none was
/// raised at all, it does not.
/// </summary>
internal sealed class ExceptionWatch : IDisposable
{
    [ThreadStatic] private static Exception? t_last;
    private volatile bool _raised;

    public ExceptionWatch() => AppDomain.CurrentDomain.FirstChanceException += Note;

    /// <summary>Whether an exception was raised, on any thread, since <see cref="Boundary"/>.</summary>
    public bool RaisedSinceBoundary => _raised;

    /// <summary>The last that was raised on this thread since it came to <see cref="Boundary"/>: as a rule the one that ends training.</summary>
    public static Exception? LastHere => t_last;

    /// <summary>The state is whole here.</summary>
    public void Boundary()
    {
        _raised = false;
        t_last = null;
    }

    public void Dispose() => AppDomain.CurrentDomain.FirstChanceException -= Note;

    // A save that fails in the background says nothing about the training thread.
    private void Note(object? sender, FirstChanceExceptionEventArgs e)
    {
        if (Thread.CurrentThread.Name == SaveEngine.WriterName)
            return;
        _raised = true;
        t_last = e.Exception;
    }
}
