using Microsoft.Playwright;

namespace Cairn.Pages.Tests;

/// <summary>Debian's Chromium, driven by Playwright. Tests that need it are skipped where it is missing, and fail in CI.</summary>
public sealed class Browser : IAsyncLifetime
{
    private const string Executable = "/usr/bin/chromium";
    private const string Missing = $"There is no {Executable}. Install it with `apt-get install -y chromium fonts-liberation fonts-noto-cjk` (see eng/install-test-needs.sh).";

    // Milliseconds; nothing depends on how fast this machine is.
    private const float Patience = 240_000;

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Executable))
            return;
        _playwright = await Playwright.CreateAsync();
        Assertions.SetDefaultExpectTimeout(Patience);
        // Chromium's own walls need rights that a container's root has not.
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Executable, Headless = true, Args = Environment.UserName == "root" ? ["--no-sandbox"] : [] });
    }

    /// <summary>Opens a window of its own, and notes what it asks the network for and what goes wrong in it.</summary>
    internal async Task<Window> OpenAsync(int width = 1100, int height = 900, bool dark = false, bool script = true)
    {
        if (_browser is null)
        {
            if (Environment.GetEnvironmentVariable("CI") is null)
                Assert.Skip(Missing);
            throw new InvalidOperationException(Missing);
        }
        IBrowserContext context = await _browser.NewContextAsync(new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = width, Height = height }, ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light, ReducedMotion = ReducedMotion.Reduce, JavaScriptEnabled = script });
        context.SetDefaultTimeout(Patience);
        return new Window(context, await context.NewPageAsync());
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
    }
}

/// <summary>A window of the browser.</summary>
internal sealed class Window : IAsyncDisposable
{
    private readonly IBrowserContext _context;

    public Window(IBrowserContext context, IPage page)
    {
        (_context, Page) = (context, page);
        page.Console += (_, message) => { if (message.Type is "error" or "warning") Problems.Add(message.Text); };
        page.PageError += (_, error) => Problems.Add(error);
        page.Request += (_, request) => Requests.Add(request.Url);
    }

    public IPage Page { get; }

    /// <summary>What the console and the script told of errors and warnings.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>All that was asked for.</summary>
    public List<string> Requests { get; } = [];

    public ValueTask DisposeAsync() => _context.DisposeAsync();
}
