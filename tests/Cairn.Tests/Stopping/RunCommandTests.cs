using Cairn.Stopping;
using CsCheck;

namespace Cairn.Tests.Stopping;

public class RunCommandTests
{
    [Theory]
    [InlineData("save", CommandAction.Save, null, "")]
    [InlineData("stop\n", CommandAction.Stop, null, "")]
    [InlineData(" STOP 500 ", CommandAction.Stop, 500L, "")]
    [InlineData("save 0 id=a-1", CommandAction.Save, 0L, "a-1")]
    [InlineData("save id=x 7", CommandAction.Save, 7L, "x")]
    internal void A_command_is_a_word_a_step_and_a_name(string text, CommandAction action, long? step, string id)
    {
        RunCommand.TryParse(text, out RunCommand? command, out string? problem).ShouldBeTrue(problem);
        command.ShouldBe(new RunCommand(action, step, id));
        RunCommand.TryParse(command!.ToString(), out RunCommand? again, out _).ShouldBeTrue();
        again.ShouldBe(command);
    }

    [Theory, InlineData(""), InlineData("halt"), InlineData("stop -3"), InlineData("stop 3 4"), InlineData("save id="), InlineData("save id=a;b"), InlineData("stop 99999999999999999999")]
    public void Anything_else_says_what_to_write(string text)
    {
        RunCommand.TryParse(text, out RunCommand? command, out string? problem).ShouldBeFalse();
        command.ShouldBeNull();
        problem!.ShouldContain("Write 'save' or 'stop'");
    }

    [Fact]
    public void No_text_whatever_throws() => Gen.String.Sample(text =>
    {
        bool parsed = RunCommand.TryParse("save " + text, out RunCommand? command, out string? problem);
        (command is null, problem is null).ShouldBe((!parsed, parsed));
    });
}
