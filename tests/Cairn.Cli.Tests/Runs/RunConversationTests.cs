using Cairn.Checkpoints;
using Cairn.Cli.Runs;
using Cairn.Cli.Verbs;
using Cairn.Stopping;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Runs;

/// <summary>What a run is asked, and when it answers.</summary>
public sealed class RunConversationTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-");

    [Fact]
    public void An_answer_that_is_seen_only_when_the_process_is_gone_says_so()
    {
        var run = new EndingRun(new LocalFileSystem(_folder.FullName));
        AskResult answer = new RunConversation(run, new RunCommand(CommandAction.Stop, Id: EndingRun.Command), new RunLiveness(null, true), static _ => { })
            .Run(TimeSpan.FromMinutes(5), noWait: false, TestContext.Current.CancellationToken);
        (answer.State, answer.Checkpoint, answer.ProcessEnded).ShouldBe(("done", 5, true));
    }

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Its last words come after a look at the journal, and before the look at its lock, which it has let go.</summary>
    private sealed class EndingRun(IFileSystem inner) : ForwardingFileSystem(inner)
    {
        public const string Command = "abc";

        public override bool FileExists(string path)
        {
            if (path == RunLock.FileName)
            {
                Append(RunFolder.Journal, """{"time":"2026-01-01T12:00:00Z","event":"command","id":"abc","action":"stop","state":"done","step":5,"checkpoint":5}"""u8, durable: false);
                Append(RunFolder.Journal, "\n"u8, durable: false);
            }
            return base.FileExists(path);
        }
    }
}
