using System.Runtime.ExceptionServices;
using Cairn.Commit;

namespace Cairn.Stopping;

/// <summary>
/// Whether any exception was raised since the last batch boundary. A disposal cannot see that it happens because of an exception; but when none was
/// raised at all, it does not.
/// </summary>
internal sealed class ExceptionWatch : IDisposable
{
    private volatile bool _raised;

    public ExceptionWatch() => AppDomain.CurrentDomain.FirstChanceException += Note;

    /// <summary>Whether an exception was raised, on any thread, since <see cref="Boundary"/>.</summary>
    public bool RaisedSinceBoundary => _raised;

    /// <summary>The state is whole here.</summary>
    public void Boundary() => _raised = false;

    public void Dispose() => AppDomain.CurrentDomain.FirstChanceException -= Note;

    // A save that fails in the background says nothing about the training thread.
    private void Note(object? sender, FirstChanceExceptionEventArgs e) => _raised |= Thread.CurrentThread.Name != SaveEngine.WriterName;
}
