namespace Cairn.Cli.Output;

/// <summary>One line on standard error, when that is a terminal, that says what is waited for.</summary>
internal sealed class StatusLine(Screen screen) : IDisposable
{
    private string _shown = "";

    public void Show(string text)
    {
        if (!screen.ErrorIsTerminal || text == _shown)
            return;
        Console.Error.Write($"\r\e[K{Words.Printable(text).Replace('\n', ' ')}");
        _shown = text;
    }

    public void Dispose()
    {
        if (_shown.Length > 0)
            Console.Error.Write("\r\e[K");
        _shown = "";
    }
}
