using Spectre.Console;

namespace Cairn.Cli.Output;

/// <summary>One line on standard error, when that is a terminal, that says what is waited for.</summary>
internal sealed class StatusLine(Screen screen) : IDisposable
{
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task? _drawing;
    private StatusContext? _status;

    public void Show(string text)
    {
        if (!screen.ErrorIsTerminal)
            return;
        string shown = Screen.Plain(text);
        _drawing ??= screen.ErrorConsole.Status().StartAsync(shown, async status =>
        {
            _status = status;
            await _over.Task.ConfigureAwait(false);
        });
        if (_status is not null)
            _status.Status = shown;
    }

    public void Dispose()
    {
        _over.TrySetResult();
        _drawing?.GetAwaiter().GetResult();
    }
}
