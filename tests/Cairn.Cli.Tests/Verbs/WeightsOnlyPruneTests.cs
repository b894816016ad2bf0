using Cairn.Cli.Tests.Samples;

namespace Cairn.Cli.Tests.Verbs;

/// <summary><c>cairn prune --weights-only</c>: weights of all, the optimizer of the last ones.</summary>
public sealed class WeightsOnlyPruneTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Older_checkpoints_keep_their_weights_and_a_restart_takes_none_of_them()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result plan = CairnCall.Run("prune", run.Folder, "--weights-only", "--dry-run");
        plan.Out.ShouldMatch("100 +100 .* weights +.* of optimizer and the like would go");
        plan.Out.ShouldContain("and the optimizers of 1 would be removed");
        Directory.GetFiles(run.PathOf("100"), "optimizer*").ShouldNotBeEmpty();

        CairnCall.Run("prune", run.Folder, "--weights-only", "--yes").Out.ShouldContain("and the optimizers of 1 removed");
        Directory.GetFiles(run.PathOf("100"), "optimizer*").ShouldBeEmpty();
        Directory.GetFiles(run.PathOf("200"), "optimizer*").ShouldNotBeEmpty("the last two keep all");
        CairnCall.Run("verify", run.PathOf("100")).Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("ls", run.Folder).Out.ShouldMatch("100 .* weights only");
        CairnCall.Run("prune", run.Folder, "--weights-only", "--dry-run").Out.ShouldContain("0 checkpoints would be removed");

        // Nothing else is left: weights are not taken for a copy to go on from.
        foreach (string copy in (string[])["200", "300", "snapshot"])
            Directory.Delete(run.PathOf(copy), recursive: true);
        CairnCall.Run("ls", run.Folder).Out.ShouldContain("A restart finds nothing to resume from");
        CairnCall.Run("branch", run.Folder, "--from", "100").Error.ShouldContain("it has only weights: ");
        CairnCall.Run("show", run.PathOf("100")).Code.ShouldBe(ExitCode.Good);
    }

    [Fact]
    public void What_makes_no_sense_is_said()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("prune", run.Folder, "--weights-only", "--keep-optimizer", "1").Error.ShouldContain("at least 2");
        CairnCall.Run("prune", run.Folder, "--keep-last", "2", "--keep-optimizer", "3").Error.ShouldContain("--keep-optimizer is for --weights-only");
        CairnCall.Run("prune", run.Folder, "--keep-last", "2", "--dry-run", "--yes").Code.ShouldBe(ExitCode.WrongUse);
    }
}
