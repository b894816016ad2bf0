using System.Text.Json;
using Cairn.Alerts;

namespace Cairn.Tests.Alerts;

public class AlertBodyTests
{
    [Theory]
    [InlineData("https://hooks.slack.com/services/T0/B0/secret", AlertFormat.Slack)]
    [InlineData("slack:http://chat.local/hooks/secret", AlertFormat.Slack)]
    [InlineData("https://open.feishu.cn/open-apis/bot/v2/hook/secret", AlertFormat.Feishu)]
    [InlineData("https://open.larksuite.com/open-apis/bot/v2/hook/secret", AlertFormat.Feishu)]
    [InlineData("FEISHU:http://relay.local/secret", AlertFormat.Feishu)]
    [InlineData("https://pager.local/secret?key=secret", AlertFormat.Json)]
    [InlineData("json:https://user:secret@hooks.slack.com/secret", AlertFormat.Json)]
    internal void An_address_says_which_form_it_takes_and_shows_no_secret(string text, AlertFormat format)
    {
        AlertAddress.TryParse(text, out AlertAddress? address).ShouldBeTrue();
        address!.Format.ShouldBe(format);
        $"{address} {address.Shown}".ShouldNotContain("secret");
        address.Uri.AbsoluteUri.ShouldContain("secret");
    }

    [Theory, InlineData(""), InlineData(null), InlineData("hooks.slack.com/x"), InlineData("ftp://host/x"), InlineData("slack:"), InlineData("mailto:a@b"), InlineData("slack:feishu:http://a/")]
    public void Anything_else_is_no_address(string? text) => AlertAddress.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void Slack_gets_its_text_in_which_no_name_of_a_file_calls_anybody()
    {
        JsonElement json = Of(AlertFormat.Slack, "read <!channel> & more");
        json.EnumerateObject().Select(field => field.Name).ShouldBe(["text"]);
        json.GetProperty("text").GetString().ShouldBe("runs/tiny (node1): read &lt;!channel&gt; &amp; more");
    }

    [Fact]
    public void Feishu_gets_a_text_message()
    {
        JsonElement json = Of(AlertFormat.Feishu, "训练 <at user_id=\"all\">");
        json.GetProperty("msg_type").GetString().ShouldBe("text");
        string text = json.GetProperty("content").GetProperty("text").GetString()!;
        text.ShouldStartWith("runs/tiny (node1): 训练");
        text.ShouldNotContain("<at");
    }

    [Fact]
    public void All_others_get_an_object()
    {
        JsonElement json = Of(AlertFormat.Json, "a\u001b[31m");
        (json.GetProperty("alert").GetString(), json.GetProperty("step").GetInt64(), json.GetProperty("total_steps").GetInt64(), json.GetProperty("held_back").GetInt64()).ShouldBe(("save_failed", 500, 1000, 2));
        json.GetProperty("message").GetString()!.ShouldNotContain("\u001b");
        json.GetProperty("text").GetString()!.ShouldContain("2 more of this kind");
    }

    [Fact]
    public void A_long_message_is_cut() => AlertBody.Of(SampleAlert.Of(message: new string('x', 1_000_000)), AlertFormat.Slack).Length.ShouldBeLessThan(10_000);

    private static JsonElement Of(AlertFormat format, string message) =>
        JsonDocument.Parse(AlertBody.Of(SampleAlert.Of(message: message) with { HeldBack = format == AlertFormat.Json ? 2 : 0 }, format)).RootElement;
}
