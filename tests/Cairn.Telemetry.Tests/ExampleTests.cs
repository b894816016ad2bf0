namespace Cairn.Telemetry.Tests;

public sealed class ExampleTests
{
    [Fact]
    public void The_page_shows_the_code_that_is_compiled_here_with_its_namespaces()
    {
        string[] lines = File.ReadAllLines(Path.Combine(RepositoryFolder.Path, "tests", "Cairn.Telemetry.Tests", "SetUpExample.cs"));
        int begins = Array.FindIndex(lines, line => line.Trim() == "// example begins"), ends = Array.FindIndex(lines, line => line.Trim() == "// example ends");
        string[] code = [.. lines.TakeWhile(line => line.Length > 0), "", .. lines[(begins + 1)..ends].Select(line => line[8..])];
        File.ReadAllText(Path.Combine(RepositoryFolder.Path, "docs", "telemetry.md")).ShouldContain($"```csharp\n{string.Join('\n', code)}\n```");
    }
}
