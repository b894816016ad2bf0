using Cairn.Cli.Tests.Samples;

namespace Cairn.Cli.Tests;

/// <summary>What most tests look at, the call in this process, is what the program does.</summary>
public sealed class CairnCallTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void It_prints_and_returns_what_the_process_does()
    {
        SampleRun run = SampleRun.Usual(_folder["a \e[31mrün\ttab"]);
        string[][] commands = [["ls", run.Folder], ["show", run.PathOf("300"), "--json"], ["verify", _folder["nothing"]], ["ls", "--nonsense"]];
        foreach (string[] command in commands)
            WithoutTimes(CairnCall.Run(command)).ShouldBe(WithoutTimes(CairnProcess.Run(command)), string.Join(' ', command));
    }

    private static Result WithoutTimes(Result result) => result with { Out = Golden.Normalize(result.Out, folder: null) };
}
