using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;
using Cairn.Cli.Serving;

namespace Cairn.Cli.Verbs;

/// <summary>What <c>cairn serve</c> says once it listens. The address has the token, where one is needed.</summary>
internal sealed record ServeResult(string Address, IReadOnlyList<string> Runs, bool Actions);

/// <summary><c>cairn serve</c>: the page of <c>cairn report</c>, as the run goes on.</summary>
internal sealed class ServeVerb(TimeProvider time) : Verb
{
    private const int LeastToken = 16;

    private readonly Argument<string[]> _runs = new("run") { Description = "The folder or address of a run; several stand side by side.", HelpName = "RUN", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string?> _listen = new("--listen") { Description = "Where to serve; other than on this machine alone, a token is needed to look [default: 127.0.0.1:8377].", HelpName = "ADDRESS:PORT" };
    private readonly Option<string?> _token = new("--token") { Description = "The token, of 16 letters or more [default: a new one each time, where one is needed].", HelpName = "TOKEN" };
    private readonly Option<bool> _actions = new("--allow-actions") { Description = "Have buttons that ask the run to save or stop, and that verify its copies. Needs a token also on this machine." };

    public override JsonTypeInfo Result => JsonTypes.Default.ServeResult;

    public override string Example => "cairn serve runs/tinylm\n  cairn serve runs/a runs/b --allow-actions";

    public override string Details => "Follows the runs while the page is open, through kills and restarts. Without encryption: from another machine, ssh -L is the safe way.";

    protected override Command Define() =>
        new("serve", "Serves a page that follows runs as they train.") { _runs, _listen, _token, _actions };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        ListenAddress listen = parsed.GetValue(_listen) is { } given ? ListenAddress.Parse(given) : ListenAddress.Default;
        bool allowsActions = parsed.GetValue(_actions);
        string? token = parsed.GetValue(_token);
        if (token is not null && (token.Length < LeastToken || !token.All(char.IsAsciiLetterOrDigit)))
            throw new WrongUseException($"--token must be {LeastToken} or more letters and digits.");
        if (!listen.IsLoopback || allowsActions)
            token ??= Access.NewToken();
        RunSource[] runs = [.. parsed.GetValue(_runs)!.Select(path => new RunSource(path, time))];
        foreach (RunSource run in runs)
            run.Look();
        Serve(runs, listen, token, allowsActions, screen, cancellationToken).GetAwaiter().GetResult();
        return ExitCode.Good;
    }

    private static async Task Serve(RunSource[] runs, ListenAddress listen, string? token, bool allowsActions, Screen screen, CancellationToken cancellationToken)
    {
        var live = new LivePage(allowsActions ? token : null);
        await using var server = new PageServer(new RunFollower(runs, live), new Access(listen.IsLoopback, token, allowsActions), live, listen);
        await server.StartAsync(cancellationToken).ConfigureAwait(false);
        var result = new ServeResult(listen.Url(server.Port) + (token is null ? "" : $"?token={token}"), [.. runs.Select(run => run.Files.Root)], allowsActions);
        if (screen.IsJson)
            screen.JsonLine(result, JsonTypes.Default.ServeResult);
        else
            screen.Raw($"{result.Address}  (Ctrl-C ends it)");
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = cancellationToken.Register(ended.SetResult);
        await ended.Task.ConfigureAwait(false);
    }
}
