using System.Diagnostics;
using Cairn.Checkpoints;
using Cairn.Cli.Tests.Samples;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Verbs;

/// <summary>Named pipes in the place of files: no verb waits for their other end.</summary>
public sealed class SpecialFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData("300/300.step"), InlineData("300/model_tp0_pp0.safetensors"), InlineData("300/context.json")]
    public void Verify_calls_a_copy_with_a_pipe_in_it_bad(string file)
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Replace(run.PathOf(file));
        Result result = CairnCall.Run("verify", run.Folder);
        result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
        result.Out.ShouldContain("300");
        result.Out.ShouldContain("BAD");
        CairnCall.Run("ls", run.Folder).Code.ShouldBe(ExitCode.FoundBad);
    }

    [Theory]
    [InlineData(RunFolder.Record, "ls"), InlineData(RunFolder.Record, "show")]
    [InlineData(RunFolder.Journal, "watch"), InlineData(RunFolder.Journal, "audit")]
    [InlineData(RunLock.FileName, "prune")]
    public void A_verb_that_needs_the_file_says_what_stands_there(string file, string verb)
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Replace(run.PathOf(file));
        Result result = CairnCall.Run(verb == "prune" ? ["prune", run.Folder, "--keep-last", "2", "--yes"] : [verb, run.Folder]);
        result.Code.ShouldBe(ExitCode.CouldNot, result.Out);
        result.Error.ShouldContain("is a named pipe and not a regular file");
    }

    [Fact]
    public void A_pipe_that_the_user_names_is_waited_for_and_a_signal_ends_the_wait()
    {
        Pipe(_folder["options"]);
        using CairnProcess process = CairnProcess.Start(null, "plan", "--check", _folder["options"]);
        // Opening it for writing waits until the verb has it open for reading.
        using FileStream writer = new(_folder["options"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        process.Terminate();
        process.WaitForExit().Code.ShouldNotBe(ExitCode.Good);
    }

    private static void Replace(string path)
    {
        File.Delete(path);
        Pipe(path);
    }

    private static void Pipe(string path)
    {
        using Process process = Process.Start("mkfifo", [path]);
        process.WaitForExit();
        process.ExitCode.ShouldBe(0);
    }
}
