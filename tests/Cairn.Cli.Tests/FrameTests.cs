using System.CommandLine;

namespace Cairn.Cli.Tests;

/// <summary>What holds for the command as a whole.</summary>
public class FrameTests
{
    public static TheoryData<string> Verbs => [.. CommandLine.Create().Subcommands.Select(verb => verb.Name)];

    [Theory, MemberData(nameof(Verbs))]
    public void Every_verb_has_help_with_an_example_and_json(string verb)
    {
        Result help = CairnProcess.Run(verb, "--help");
        help.Code.ShouldBe(ExitCode.Good);
        help.Out.ShouldContain("Example:\n");
        help.Out.ShouldContain("cairn " + verb);
        help.Out.ShouldContain("--json");
        help.Error.ShouldBeEmpty();
    }

    [Fact]
    public void The_help_of_the_whole_has_one_line_for_each_verb_and_fits_on_a_screen()
    {
        Result help = CairnProcess.RunOnTerminal(null, "--help");
        help.Code.ShouldBe(ExitCode.Good);
        string[] lines = help.Out.ReplaceLineEndings("\n").Split('\n');
        lines.Length.ShouldBeLessThan(38);
        foreach (Command verb in CommandLine.Create().Subcommands)
            lines.Count(line => line.StartsWith($"  {verb.Name} ", StringComparison.Ordinal) && line.TrimEnd().EndsWith(verb.Description!, StringComparison.Ordinal)).ShouldBe(1, verb.Name);
    }

    [Theory, MemberData(nameof(Verbs))]
    public void The_example_of_every_verb_can_be_read(string verb)
    {
        foreach (string line in CommandLine.Verbs().First(known => known.Create().Name == verb).Example.Split('\n'))
        {
            string example = line.Trim().Replace("source <(", "").TrimEnd(')');
            example.ShouldStartWith("cairn " + verb);
            CommandLine.Create().Parse(example["cairn ".Length..]).Errors.ShouldBeEmpty();
        }
    }

    [Theory]
    [InlineData(new[] { "lss" }, "There is no 'lss'. Did you mean 'ls'?")]
    [InlineData(new[] { "verfy", "x" }, "Did you mean 'verify'?")]
    [InlineData(new[] { "prune", "x", "--keep-last", "three" }, "--keep-last takes a whole number up to 2147483647, not 'three'.")]
    [InlineData(new[] { "diff", "a", "b", "--tolerance", "x" }, "--tolerance takes a number, not 'x'.")]
    [InlineData(new[] { "ls", "x", "--jsno" }, "'cairn ls' has no option --jsno. Did you mean '--json'?")]
    [InlineData(new[] { "plan", "--step-tiem", "1s" }, "Did you mean '--step-time'?")]
    [InlineData(new[] { "plan", "--step-time", "soon" }, "'soon' is not a time such as 250ms, 1.2s, 30m, 6h, 2d or 00:30:00.")]
    [InlineData(new[] { "plan", "--steps", "10" }, "Say how long a step takes: --step-time 1.2s.")]
    [InlineData(new[] { "ls" }, "Try: cairn ls --help")]
    [InlineData(new string[0], "Try: cairn --help")]
    public void A_wrong_command_line_is_answered_with_what_to_type(string[] arguments, string answer)
    {
        Result result = CairnProcess.Run(arguments);
        result.Code.ShouldBe(ExitCode.WrongUse);
        result.Error.ShouldContain(answer);
        result.Out.ShouldBeEmpty();
    }

    [Fact]
    public void The_tab_key_works_in_bash()
    {
        Result result = CairnProcess.RunShell("bash", "--norc", "-c", """
            source <(cairn completion bash)
            complete -p cairn
            try() { COMP_LINE=$1; COMP_POINT=${#1}; COMP_WORDS=($1); COMP_CWORD=$2; COMPREPLY=(); _cairn; echo "${COMPREPLY[*]}"; }
            try 'cairn ve' 1
            try 'cairn plan --step' 2
            try 'cairn completion ' 2
            """);
        result.Error.ShouldBeEmpty();
        string[] lines = result.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines[0].ShouldContain("-F _cairn cairn");
        lines[1].ShouldBe("verify");
        lines[2].ShouldBe("--step-time --steps");
        lines[3].ShouldBe("bash zsh");
    }

    [Fact]
    public Task The_tab_key_works_at_a_prompt_of_bash() => TabAsync("bash --norc -i", "source <(cairn completion bash)");

    [Fact]
    public Task The_tab_key_works_at_a_prompt_of_zsh()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/zsh") || File.Exists("/bin/zsh"), "zsh is not installed; eng/install-test-needs.sh does it.");
        return TabAsync("zsh -f -i", "autoload -U compinit; compinit -u -D; source <(cairn completion zsh)");
    }

    // A shell that is not ready eats what was typed, so each key waits for what the ones before it bring to the screen.
    private static async Task TabAsync(string shell, string setUp)
    {
        using var terminal = new Terminal(shell);
        await terminal.WaitForAsync(Terminal.Ready);
        // Not as it is typed: the screen shows that too.
        terminal.Type(setUp + "; echo 'set' 'up'\n");
        await terminal.WaitForAsync("set up");
        await terminal.WaitForAsync(Terminal.Ready);
        terminal.Type("cairn verif\t");
        await terminal.WaitForAsync("cairn verify ");
        // The whole word was typed: its help comes.
        terminal.Type("--help\n");
        await terminal.WaitForAsync("cairn verify <");
    }
}
