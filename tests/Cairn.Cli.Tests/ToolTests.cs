namespace Cairn.Cli.Tests;

/// <summary>The command as it is handed out.</summary>
public sealed class ToolTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Packed_and_installed_as_a_tool_it_runs()
    {
        File.WriteAllText(_folder["nuget.config"], """<configuration><packageSources><clear /><add key="here" value="packed" /></packageSources></configuration>""");
        string configuration = AppContext.BaseDirectory.Contains("/Debug/", StringComparison.Ordinal) ? "Debug" : "Release";
        Result result = CairnProcess.RunShell("bash", "-euc",
            $"""
            export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1 NUGET_PACKAGES="$1/packages"
            mkdir "$1/packed"
            NUGET_PACKAGES="$3" dotnet pack "$2/src/Cairn.Cli" -c {configuration} --no-build -o "$1/packed" -v q
            dotnet tool install Cairn.Cli --tool-path "$1/tools" --configfile "$1/nuget.config"
            "$1/tools/cairn" completion bash
            """, "bash", _folder.Path, Golden.Repository, Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? "");
        result.Code.ShouldBe(0, result.Out + result.Error);
        result.Out.ShouldContain("complete -o bashdefault -o default -F _cairn cairn");
    }
}
