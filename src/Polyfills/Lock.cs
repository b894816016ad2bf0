namespace System.Threading;

/// <summary>.NET 9's lock, over a monitor.</summary>
internal sealed class Lock
{
    private readonly object _gate = new();

    public bool IsHeldByCurrentThread => Monitor.IsEntered(_gate);

    public void Enter() => Monitor.Enter(_gate);

    public bool TryEnter() => Monitor.TryEnter(_gate);

    public void Exit() => Monitor.Exit(_gate);

    /// <summary>What a <c>lock</c> statement calls.</summary>
    public Scope EnterScope()
    {
        Enter();
        return new Scope(this);
    }

    public ref struct Scope
    {
        private Lock? _entered;

        internal Scope(Lock entered) => _entered = entered;

        public void Dispose()
        {
            Lock? entered = _entered;
            _entered = null;
            entered?.Exit();
        }
    }
}
