using Cairn.Cli.Tests.Samples;

namespace Cairn.Cli.Tests.Verbs;

public sealed class KeepTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_kept_is_shown_stays_and_goes_when_it_is_released()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("keep", run.Folder).Out.ShouldBe("Nothing is kept by name: the retention rules decide.\n");
        Result kept = CairnCall.Run("keep", run.Folder, "100", "--why", "table 2");
        kept.Code.ShouldBe(ExitCode.Good);
        string who = $"{Environment.UserName}@{Environment.MachineName}";
        kept.Out.ShouldBe($"kept  step 100, by {who}: table 2\n");
        CairnCall.Run("keep", run.Folder, "200", "--for", "2h", "--json").Out.ShouldContain("\"action\": \"kept\"");
        string listed = CairnCall.Run("ls", run.Folder).Out;
        listed.ShouldContain("complete, kept");
        listed.ShouldContain($"Kept: step 100, by {who}: table 2.");
        listed.ShouldMatch(@"Kept: step 200, by .* \(for (2h|1h59m|1h 59m).*more\)");

        string pruned = CairnCall.Run("prune", run.Folder, "--keep-last", "2", "--yes").Out;
        pruned.ShouldContain($"kept for {who}: table 2");
        Directory.Exists(run.PathOf("100")).ShouldBeTrue();

        CairnCall.Run("keep", run.Folder, "100", "--release").Out.ShouldStartWith($"released  step 100, by {who}: table 2\n");
        CairnCall.Run("prune", run.Folder, "--keep-last", "2", "--yes").Code.ShouldBe(ExitCode.Good);
        Directory.Exists(run.PathOf("100")).ShouldBeFalse();
    }

    [Fact]
    public void What_cannot_be_kept_is_said()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result missing = CairnCall.Run("keep", run.Folder, "123");
        (missing.Code, missing.Error).ShouldBe((ExitCode.CouldNot, missing.Error));
        missing.Error.ShouldContain("has no complete copy of step 123. Its steps: ");
        CairnCall.Run("keep", run.Folder, "abc").Code.ShouldBe(ExitCode.WrongUse);
        CairnCall.Run("keep", run.Folder, "--why", "x").Error.ShouldContain("Say which step");
        CairnCall.Run("keep", run.Folder, "100", "--release").Error.ShouldContain("Nobody keeps step 100");
        CairnCall.Run("keep", run.Folder, "100", "--release", "--for", "1h").Code.ShouldBe(ExitCode.WrongUse);
        CairnCall.Run("keep", _folder.Path, "100").Error.ShouldContain("is not the folder of a run of Cairn");
    }
}
