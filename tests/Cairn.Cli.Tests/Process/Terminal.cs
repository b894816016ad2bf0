using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace Cairn.Cli.Tests;

/// <summary>An interactive shell on a pseudo-terminal that finds the program as <c>cairn</c>, and somebody who types when the screen says that it is time.</summary>
internal sealed partial class Terminal : IDisposable
{
    public const string Ready = "ready> ";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly ProgramFolder _folder = new();
    private readonly Process _process;
    private readonly StringBuilder _screen = new();
    private readonly char[] _block = new char[1024];
    private int _seen;

    public Terminal(string shell)
    {
        var start = new ProcessStartInfo("script", ["-qfec", $"stty cols 200 rows 50; exec env PS1='{Ready}' {shell}", "/dev/null"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false,
        };
        _folder.AddTo(start);
        start.Environment["TERM"] = "dumb";
        _process = Process.Start(start)!;
    }

    public void Type(string keys)
    {
        _process.StandardInput.Write(keys);
        _process.StandardInput.Flush();
    }

    /// <summary>Waits until this text came on the screen, after what was waited for before.</summary>
    public async Task WaitForAsync(string text)
    {
        using var timeout = new CancellationTokenSource(Patience);
        int at;
        while ((at = Screen.IndexOf(text, _seen, StringComparison.Ordinal)) < 0)
        {
            int length;
            try
            {
                length = await _process.StandardOutput.ReadAsync(_block, timeout.Token);
            }
            catch (OperationCanceledException e)
            {
                throw new TimeoutException($"'{text}' does not come within {Patience}:\n{Screen}", e);
            }
            length.ShouldBeGreaterThan(0, $"the shell ended before '{text}':\n{Screen}");
            _screen.Append(_block, 0, length);
        }
        _seen = at + text.Length;
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        _folder.Dispose();
    }

    private string Screen => Control().Replace(_screen.ToString(), "");

    [GeneratedRegex(@"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\a")]
    private static partial Regex Control();
}
