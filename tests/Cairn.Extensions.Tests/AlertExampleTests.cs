using Examples;

namespace Cairn.Extensions.Tests;

/// <summary>What docs/alerts.md shows is compiled here, and does what it says.</summary>
public sealed class AlertExampleTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory, InlineData("AlertOptionsExample.cs"), InlineData("PagerExample.cs")]
    public void The_page_shows_the_code_that_is_compiled_here_with_its_namespaces(string file)
    {
        string[] lines = File.ReadAllLines(Path.Combine(ExtensionTests.Root(), "tests", "Cairn.Extensions.Tests", file));
        int begins = Array.FindIndex(lines, line => line.Trim() == "// example begins"), ends = Array.FindIndex(lines, line => line.Trim() == "// example ends");
        int margin = lines[begins].Length - lines[begins].TrimStart().Length;
        string[] code = [.. lines.TakeWhile(line => line.Length > 0), "", .. lines[(begins + 1)..ends].Select(line => line.Length == 0 ? line : line[margin..])];
        File.ReadAllText(Path.Combine(ExtensionTests.Root(), "docs", "alerts.md")).ShouldContain($"```csharp\n{string.Join('\n', code)}\n```");
    }

    [Fact]
    public async Task The_pager_is_called_when_a_run_is_aborted_and_for_nothing_else()
    {
        var service = new Recording();
        using var http = new HttpClient(service);
        CheckpointOptions options = AlertOptionsExample.Options();
        (options.Alerts, options.AlertSink, options.Folder, options.HandleSignals) = ([], new Pager(http, new Uri("http://pager.example/call")), _folder.FullName, false);
        foreach (bool fails in (bool[])[false, true])
        {
            (TrainState train, Weights weights) = (new TrainState(), new Weights());
            CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [weights], cancellationToken: TestContext.Current.CancellationToken);
            if (!fails)
                weights.Train(checkpoints, 3);
            else
                await Should.ThrowAsync<InvalidOperationException>(() => checkpoints.RunAsync(_ => throw new InvalidOperationException("out of memory"), TestContext.Current.CancellationToken));
            await checkpoints.DisposeAsync();
        }
        service.Posted.ShouldHaveSingleItem().ShouldContain("out of memory");
    }

    private sealed class Recording : HttpMessageHandler
    {
        public List<string> Posted { get; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Posted.Add(await request.Content!.ReadAsStringAsync(cancellationToken));
            return new HttpResponseMessage();
        }
    }
}
