using System.Globalization;
using System.Net;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;
using Cairn.Cli.Serving;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Cairn.Pages.Tests;

/// <summary>The page of <c>cairn serve</c>, while the process that trains is killed and started again.</summary>
public sealed class LivePageTests(Browser browser) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_follows_a_run_through_a_kill_and_a_restart()
    {
        using Trainer first = await TrainAsync();
        await using PageServer server = await ServeAsync(null);
        await using Window window = await browser.OpenAsync();
        await window.Page.GotoAsync($"http://127.0.0.1:{server.Port}/");
        ILocator state = window.Page.Locator("#r0-head .badge"), steps = window.Page.Locator("#r0-head .steps b");
        await Assertions.Expect(state).ToHaveTextAsync("training");
        await Assertions.Expect(window.Page.Locator("#r0-chart .curve").First).ToBeVisibleAsync();
        long before = await StepAsync(steps);
        await UntilAsync(window.Page, before);
        // What was opened stays open, though the page is renewed.
        await window.Page.Locator("#r0-descent summary").First.ClickAsync();

        first.Kill();
        await Assertions.Expect(state).ToHaveTextAsync("killed");
        (await window.Page.Locator("#r0-descent details").First.GetAttributeAsync("open")).ShouldNotBeNull();
        long killed = await StepAsync(steps);

        using Trainer second = await TrainAsync();
        await Assertions.Expect(state).ToHaveTextAsync("training");
        await Assertions.Expect(window.Page.Locator("#r0-training use.restart")).ToHaveCountAsync(1);
        await UntilAsync(window.Page, killed);

        await window.Page.Locator("#r0-chart").FocusAsync();
        (await window.Page.RunAxe()).Violations.Select(violation => violation.Id).ShouldBeEmpty();
        window.Problems.ShouldBeEmpty();
        window.Requests.ShouldAllBe(url => url.StartsWith($"http://127.0.0.1:{server.Port}/", StringComparison.Ordinal) || url == "data:,");
    }

    [Fact]
    public async Task Its_buttons_ask_the_run_after_a_question()
    {
        using Trainer trainer = await TrainAsync();
        string token = Access.NewToken();
        await using PageServer server = await ServeAsync(token);
        await using Window window = await browser.OpenAsync();
        await window.Page.GotoAsync($"http://127.0.0.1:{server.Port}/?token={token}");
        window.Page.Url.ShouldBe($"http://127.0.0.1:{server.Port}/", "the token does not stay in the address");
        ILocator answer = window.Page.Locator("#answer"), question = window.Page.Locator("#ask");

        await window.Page.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await question.GetByText("No", new() { Exact = true }).ClickAsync();
        (await answer.InnerTextAsync()).ShouldBeEmpty("nobody was asked");

        await window.Page.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await question.GetByText("Yes").ClickAsync();
        await Assertions.Expect(answer).ToHaveTextAsync(new System.Text.RegularExpressions.Regex("^run: save: checkpoint [0-9,]+ is saved$"));
        // Any snapshot on the page may be overwritten by the time it is asked for.
        string saved = (await answer.InnerTextAsync()).Split(' ')[3];
        await window.Page.GetByRole(AriaRole.Button, new() { Name = $"Keep step {saved}", Exact = true }).First.ClickAsync();
        await question.GetByText("Yes").ClickAsync();
        await Assertions.Expect(answer).ToHaveTextAsync(new System.Text.RegularExpressions.Regex($"^run: keep: step {saved} stays, whatever the rules say$"));
        await Assertions.Expect(window.Page.GetByText("kept on the page of cairn serve")).ToBeVisibleAsync();
        Cairn.CheckpointPins.Of(_folder["run"]).ShouldHaveSingleItem().Why.ShouldBe("kept on the page of cairn serve");
        await window.Page.GetByRole(AriaRole.Button, new() { NameRegex = new System.Text.RegularExpressions.Regex("^Release step") }).ClickAsync();
        await question.GetByText("Yes").ClickAsync();
        await Assertions.Expect(answer).ToHaveTextAsync(new System.Text.RegularExpressions.Regex("^run: release: step [0-9,]+ is kept by the rules alone$"));
        // What was found may be told before the request for it is answered.
        var good = new System.Text.RegularExpressions.Regex("^run: verify: [0-9]+ cop(y|ies) read, all good$");
        await window.Page.RouteAsync("**/act?*action=verify", async route =>
        {
            IAPIResponse held = await route.FetchAsync();
            await Assertions.Expect(answer).ToHaveTextAsync(good);
            await route.FulfillAsync(new() { Response = held });
        });
        Task<IResponse> answered = window.Page.WaitForResponseAsync("**/act?*action=verify");
        await window.Page.GetByRole(AriaRole.Button, new() { Name = "Verify" }).ClickAsync();
        await question.GetByText("Yes").ClickAsync();
        await (await answered).FinishedAsync();
        await window.Page.EvaluateAsync("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
        (await answer.InnerTextAsync()).ShouldMatch(good.ToString());
        (await window.Page.RunAxe()).Violations.Select(violation => violation.Id).ShouldBeEmpty();

        await window.Page.GetByRole(AriaRole.Button, new() { Name = "Stop" }).ClickAsync();
        await question.GetByText("Yes").ClickAsync();
        trainer.WaitForTheEnd();
        await Assertions.Expect(window.Page.Locator("#r0-head .badge")).ToHaveTextAsync("stopped");
        await Assertions.Expect(answer).ToHaveTextAsync(new System.Text.RegularExpressions.Regex("is saved, and the process has ended$"));
        window.Problems.ShouldBeEmpty();
    }

    [Fact]
    public async Task Nobody_without_the_token_sees_or_asks_anything()
    {
        Trainer.Run(_folder["run"], 50, "every=20");
        string token = Access.NewToken();
        await using PageServer server = await ServeAsync(token);
        using var client = new HttpClient(new HttpClientHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://127.0.0.1:{server.Port}/") };
        (await client.GetAsync("/", Cancel)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await client.GetAsync("/content", Cancel)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await client.GetAsync("/events", Cancel)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        HttpResponseMessage page = await client.GetAsync($"/content?token={token}", Cancel);
        page.StatusCode.ShouldBe(HttpStatusCode.OK);
        page.Headers.GetValues("Content-Security-Policy").Single().ShouldContain("frame-ancestors 'none'");

        string origin = $"http://127.0.0.1:{server.Port}";
        (await PostAsync(token, null)).ShouldBe(HttpStatusCode.Forbidden);
        (await PostAsync(token, "http://elsewhere.example")).ShouldBe(HttpStatusCode.Forbidden);
        (await PostAsync("00", origin)).ShouldBe(HttpStatusCode.Forbidden);
        (await PostAsync(token, origin, "elsewhere.example")).ShouldBe(HttpStatusCode.Forbidden);
        (await PostAsync(token, origin)).ShouldBe(HttpStatusCode.Accepted);

        async Task<HttpStatusCode> PostAsync(string given, string? from, string? host = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/act?run=0&action=verify");
            request.Headers.Add("X-Cairn-Token", given);
            if (from is not null)
                request.Headers.Add("Origin", from);
            request.Headers.Host = host;
            return (await client.SendAsync(request, Cancel)).StatusCode;
        }
    }

    public void Dispose() => _folder.Dispose();

    // It makes some hundred steps a second, does not end by itself, and keeps its checkpoints however late the page is to ask for one.
    private Task<Trainer> TrainAsync() => Trainer.StartAsync(_folder["run"], 10_000_000, "pause=5", "every=1000", "snapshots=50", "keep=10000");

    private async Task<PageServer> ServeAsync(string? token)
    {
        var live = new LivePage(token);
        var server = new PageServer(new RunFollower([new RunSource(_folder["run"], TimeProvider.System)], live), new Access(isLoopback: true, token, token is not null), live, new ListenAddress(IPAddress.Loopback, 0));
        await server.StartAsync(Cancel);
        return server;
    }

    private static async Task<long> StepAsync(ILocator steps) => long.Parse(await steps.InnerTextAsync(), NumberStyles.AllowThousands, CultureInfo.InvariantCulture);

    private static Task UntilAsync(IPage page, long step) =>
        page.WaitForFunctionAsync("step => Number(document.querySelector('#r0-head .steps b').textContent.replaceAll(',', '')) > step", step);
}
