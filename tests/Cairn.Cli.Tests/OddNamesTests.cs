using System.Text.Json;
using Cairn.Cli.Tests.Samples;
using Cairn.State;

namespace Cairn.Cli.Tests;

/// <summary>Names are data: what the system allows as a name is one, and none of it steers a terminal.</summary>
public sealed class OddNamesTests : IDisposable
{
    // A name that reads "gpj.exe" from right to left, and others that cannot be seen.
    private const string Hidden = "w\u202Egpj\u200B\u2028\u0085\u001b[2J";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Names => ["12:30:00", "model:v3", "a\\b", " both ends ", "a\nb", "@file", "-dash", Hidden, new string('n', 240)];

    [Theory, MemberData(nameof(Names))]
    public void Every_verb_takes_a_file_of_any_name(string name)
    {
        SampleFolders.Torch(_folder[name + ".pt"], new StateMap { ["w"] = SampleState.Singles([2], i => i) });
        foreach (string verb in new[] { "ls", "show", "verify", "stats" })
            Check(0, verb, _folder[name + ".pt"]);
        Check(0, "diff", _folder[name + ".pt"], _folder[name + ".pt"]);
        foreach (string verb in new[] { "ls", "verify" })
            Check(0, verb, _folder.Path);
        if (name.Length < 200)
        {
            Check(0, "convert", _folder[name + ".pt"], _folder["out/" + name], "--layout", "huggingface");
            Check(0, "convert", _folder[name + ".pt"], _folder[$"out2/{name}.pt"], "--layout", "torch");
            Check(0, "show", _folder["out/" + name]);
        }
    }

    [Fact]
    public void A_name_that_stands_alone_may_begin_with_an_at_sign()
    {
        SampleFolders.Torch(_folder["@x.pt"], new StateMap { ["w"] = SampleState.Singles([2], i => i) });
        CairnProcess.RunIn(_folder.Path, "show", "@x.pt").Code.ShouldBe(ExitCode.Good);
    }

    [Fact]
    public void A_file_whose_name_is_not_UTF_8_is_told_and_hides_no_other()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has such names.");
        SampleFolders.Torch(_folder["good.pt"], new StateMap { ["w"] = SampleState.Singles([2], i => i) });
        CairnProcess.RunShell("sh", "-c", $"cp '{_folder["good.pt"]}' \"$(printf '{_folder.Path}/bad\\377.pt')\"");
        try
        {
            Result result = CairnCall.Run("ls", _folder.Path);
            result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
            result.Out.ShouldContain("good.pt");
            result.Out.ShouldContain("its name is not UTF-8");
        }
        finally
        {
            // .NET cannot remove it either.
            CairnProcess.RunShell("sh", "-c", $"rm -r '{_folder.Path}' && mkdir '{_folder.Path}'");
        }
    }

    [Fact]
    public void A_run_of_any_name_holds_foreign_files_of_any_name()
    {
        SampleRun run = SampleRun.Usual(_folder["run:1 \\ x"]);
        File.WriteAllText(run.PathOf("300/x:y"), "foreign");
        Directory.CreateDirectory(run.PathOf("snapshot/1/.ipynb_checkpoints"));
        File.WriteAllText(run.PathOf("snapshot/1/.ipynb_checkpoints/a:b"), "foreign");
        foreach (string verb in new[] { "ls", "show", "verify", "stats" })
            CairnCall.Run(verb, run.Folder).Code.ShouldBe(ExitCode.Good, verb);
        foreach (string copy in new[] { "300", "snapshot/1" })
            CairnCall.Run("show", run.PathOf(copy)).Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("prune", run.Folder, "--keep-last", "1", "--apply").Error.ShouldNotContain("   at ");
    }

    [Fact]
    public void Nothing_that_cannot_be_seen_reaches_the_screen_or_the_JSON_as_it_is()
    {
        SampleFolders.Torch(_folder["x.pt"], new StateMap { [Hidden] = SampleState.Singles([2], i => i), ["n"] = new StateMap { ["a"] = Hidden } });
        foreach (string[] arguments in new[] { new[] { "show", "--tensors", _folder["x.pt"] }, ["stats", _folder["x.pt"]], ["show", _folder["no" + Hidden]], ["no" + Hidden], ["show", _folder["x.pt"], "--part", Hidden] })
        {
            Result result = CairnCall.Run(arguments);
            ShouldBeVisible(result.Out);
            ShouldBeVisible(result.Error);
        }
        string json = CairnCall.Run("show", _folder["x.pt"], "--json").Out;
        ShouldBeVisible(json);
        JsonDocument.Parse(json).RootElement.GetProperty("tensors")[0].GetProperty("name").GetString().ShouldBe(Hidden);
    }

    private static void Check(int code, params string[] arguments)
    {
        Result result = CairnCall.Run(arguments);
        result.Code.ShouldBe(code, $"{string.Join(' ', arguments)}\n{result.Out}{result.Error}");
        ShouldBeVisible(result.Out);
        ShouldBeVisible(result.Error);
    }

    private static void ShouldBeVisible(string text) => text.ShouldNotMatch("[\u202A-\u202E\u2066-\u2069\u200B-\u200F\u2028\u2029\u0080-\u009F\u001b]");
}
