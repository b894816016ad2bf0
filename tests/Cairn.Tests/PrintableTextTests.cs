namespace Cairn.Tests;

public class PrintableTextTests
{
    [Theory]
    [InlineData("plain, äöü, 模型, 🙂\nsecond line", "plain, äöü, 模型, 🙂\nsecond line")]
    [InlineData("a\u202Eb", "a\\u202Eb")]
    [InlineData("\u001b[2J\u009b\u007f", "\\u001B[2J\\u009B\\u007F")]
    [InlineData("\u200B\uFEFF\u2028\u2029\u2066\u00AD", "\\u200B\\uFEFF\\u2028\\u2029\\u2066\\u00AD")]
    [InlineData("\U000E0041tag", "\\uDB40\\uDC41tag")]
    [InlineData("\r\t", "\\u000D\\u0009")]
    public void What_cannot_be_seen_is_shown_by_its_number(string text, string shown) => PrintableText.Of(text).ShouldBe(shown);

    [Fact]
    public void Half_of_a_surrogate_pair_is_shown_by_its_number() => PrintableText.Of("x" + '\uD800' + "y").ShouldBe("x\\uD800y");

    [Fact]
    public void The_message_of_an_error_can_be_shown_as_it_is() => new CheckpointException("w\u202E\u001b[2J").Message.ShouldBe("w\\u202E\\u001B[2J");
}
