using Cairn.Stopping;
using CsCheck;

namespace Cairn.Tests.Stopping;

public class StopFileTests
{
    [Theory]
    [InlineData("500", StopAction.SaveAndStop, 500)]
    [InlineData("+500\n", StopAction.SaveAndStop, 500)]
    [InlineData(" -250 \r\n", StopAction.SaveAndContinue, 250)]
    [InlineData("\uFEFF12", StopAction.SaveAndStop, 12)]
    [InlineData("0", StopAction.None, 0)]
    [InlineData("-0", StopAction.None, 0)]
    [InlineData(null, StopAction.None, 0)]
    public void A_step_with_its_sign_is_a_command(string? text, object action, long step) =>
        StopCommand.Parse(text).ShouldBe(new StopCommand((StopAction)action, step));

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    [InlineData("now")]
    [InlineData("1.5")]
    [InlineData("+-3")]
    [InlineData("1 2")]
    [InlineData("9223372036854775808")]
    [InlineData("-9223372036854775808")]
    public void Anything_else_is_unreadable_and_says_what_to_write(string text)
    {
        StopCommand command = StopCommand.Parse(text);
        command.Action.ShouldBe(StopAction.Unreadable);
        command.Problem!.ShouldContain("Write N or +N");
    }

    [Fact]
    public void No_text_whatever_throws_or_gives_a_long_or_broken_message() => Gen.String.Sample(text =>
    {
        StopCommand command = StopCommand.Parse(text + new string('x', 1000));
        command.Action.ShouldBe(StopAction.Unreadable);
        command.Problem!.Length.ShouldBeLessThan(250);
        command.Problem.ShouldNotContain(c => char.IsControl(c));
    });

    [Fact]
    public void A_stop_at_a_step_that_was_passed_still_stops()
    {
        default(StopFileState).Decide(503, StopCommand.Parse("500"), out StopVerdict verdict);
        verdict.ShouldBe(new StopVerdict(Save: true, Stop: true));
    }

    [Fact]
    public void A_command_waits_for_its_step_and_acts_once() => Saves("-5", 1, 2, 3, 4, 5, 5, 6, 7).ShouldBe([5]);

    [Fact]
    public void Another_command_acts_again()
    {
        StopFileState state = default(StopFileState).Decide(5, StopCommand.Parse("-5"), out _);
        state = state.Decide(6, StopCommand.Parse("-6"), out StopVerdict second);
        state = state.Decide(7, StopCommand.Parse("0"), out StopVerdict none);
        state.Decide(8, StopCommand.Parse("-6"), out StopVerdict rewritten);
        second.Save.ShouldBeTrue();
        none.Save.ShouldBeFalse();
        rewritten.Save.ShouldBeTrue();
    }

    [Fact]
    public void An_unreadable_file_is_reported_once_and_does_not_make_a_done_command_new()
    {
        StopFileState state = default(StopFileState).Decide(5, StopCommand.Parse("-5"), out _);
        state = state.Decide(6, StopCommand.Parse(""), out StopVerdict first);
        state = state.Decide(7, StopCommand.Parse(""), out StopVerdict second);
        state.Decide(8, StopCommand.Parse("-5"), out StopVerdict back);
        first.Problem.ShouldNotBeNull();
        second.ShouldBe(default);
        back.ShouldBe(default);
    }

    [Fact]
    public void A_command_left_over_from_an_earlier_process_does_not_stop_the_resumed_run()
    {
        StopCommand left = StopCommand.Parse("500");
        StopFileState.AtStart(500, left).Decide(501, left, out StopVerdict verdict);
        verdict.ShouldBe(default);
    }

    [Fact]
    public void A_command_for_a_later_step_that_is_there_at_the_start_acts()
    {
        StopCommand later = StopCommand.Parse("600");
        StopFileState.AtStart(500, later).Decide(600, later, out StopVerdict verdict);
        verdict.Stop.ShouldBeTrue();
    }

    private static List<long> Saves(string text, params long[] steps)
    {
        List<long> saves = [];
        StopFileState state = default;
        foreach (long step in steps)
        {
            state = state.Decide(step, StopCommand.Parse(text), out StopVerdict verdict);
            if (verdict.Save)
                saves.Add(step);
        }
        return saves;
    }
}
