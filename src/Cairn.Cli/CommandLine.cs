using System.CommandLine;
using Cairn.Cli.Verbs;

namespace Cairn.Cli;

/// <summary>The whole command: every verb.</summary>
internal static class CommandLine
{
    /// <summary>The verbs in the order of the help.</summary>
    public static IReadOnlyList<Verb> Verbs() =>
    [
        new LsVerb(TimeProvider.System), new ShowVerb(), new VerifyVerb(), new DiffVerb(), new StatsVerb(), new PlanVerb(), new AuditVerb(), new WatchVerb(TimeProvider.System), new SaveVerb(), new StopVerb(), new PruneVerb(), new ConvertVerb(), new BranchVerb(), new CompletionVerb(),
    ];

    public static RootCommand Create()
    {
        var root = new RootCommand(
            "Lists, checks, compares and prunes checkpoints, plans how often to save, and says what a training run really did.\n\n" +
            "Exit codes: 0 good, 1 found something bad, 2 wrong use, 3 could not.\n\nExample:\n  cairn ls runs/tinylm");
        foreach (Verb verb in Verbs())
            root.Subcommands.Add(verb.Create());
        return root;
    }
}
