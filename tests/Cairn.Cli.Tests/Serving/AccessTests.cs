using Cairn.Cli.Serving;

namespace Cairn.Cli.Tests.Serving;

/// <summary>Who may look at a served page, and who may ask the run for something.</summary>
public class AccessTests
{
    private const string Token = "0123456789abcdef0123";

    private static readonly Asker Own = new("GET", "localhost:8377", null, null, null, null), Button = new("POST", "localhost:8377", "http://localhost:8377", "same-origin", Token, Token);

    [Theory, InlineData("localhost"), InlineData("LOCALHOST:9000"), InlineData("127.0.0.1:8377"), InlineData("[::1]:8377"), InlineData("[::1]")]
    public void On_this_machine_its_own_names_may_look(string host) => new Access(true, null, false).Refusal(Own with { Host = host }, acts: false).ShouldBeNull();

    [Theory, InlineData("evil.example:8377"), InlineData("localhost.evil.example"), InlineData("127.0.0.1.evil.example"), InlineData(""), InlineData("[::1].evil.example")]
    public void A_name_that_was_bent_to_this_machine_may_not(string host) => new Access(true, null, false).Refusal(Own with { Host = host }, acts: false).ShouldNotBeNull();

    [Fact]
    public void Elsewhere_the_token_is_needed_and_any_name_is_right()
    {
        var access = new Access(false, Token, false);
        access.Refusal(Own with { Host = "node7:8377" }, acts: false).ShouldNotBeNull();
        access.Refusal(Own with { Host = "node7:8377", Token = Token + "0" }, acts: false).ShouldNotBeNull();
        access.Refusal(Own with { Host = "node7:8377", Token = Token }, acts: false).ShouldBeNull();
    }

    [Fact]
    public void A_button_needs_token_origin_method_and_leave()
    {
        var access = new Access(true, Token, true);
        access.Refusal(Button, acts: true).ShouldBeNull();
        access.Refusal(Button with { Site = null }, acts: true).ShouldBeNull("not every browser says it");
        access.Refusal(Button with { Method = "GET" }, acts: true).ShouldNotBeNull();
        access.Refusal(Button with { ActionToken = null }, acts: true).ShouldNotBeNull("a cookie alone comes along with a form of another page");
        access.Refusal(Button with { Origin = null }, acts: true).ShouldNotBeNull();
        access.Refusal(Button with { Origin = "http://localhost:9999" }, acts: true).ShouldNotBeNull();
        access.Refusal(Button with { Site = "cross-site" }, acts: true).ShouldNotBeNull();
        access.Refusal(Button with { Host = "evil.example:8377", Origin = "http://evil.example:8377" }, acts: true).ShouldNotBeNull();
        new Access(true, Token, false).Refusal(Button, acts: true).ShouldNotBeNull();
        new Access(true, null, true).Refusal(Button with { ActionToken = "" }, acts: true).ShouldNotBeNull();
        access.Refusal(Button, acts: false).ShouldNotBeNull("looking is by GET");
    }

    [Fact]
    public void An_address_is_read_or_refused()
    {
        ListenAddress.Parse("localhost:0").ShouldBe(new ListenAddress(System.Net.IPAddress.Loopback, 0));
        ListenAddress.Parse("[::1]:80").IsLoopback.ShouldBeTrue();
        ListenAddress.Parse("*:8377").IsLoopback.ShouldBeFalse();
        ListenAddress.Parse("10.0.0.7:8377").Url(8377).ShouldBe("http://10.0.0.7:8377/");
        foreach (string wrong in (string[])["8377", "localhost", "localhost:", "localhost:99999", "somewhere:80", ":80"])
            Should.Throw<WrongUseException>(() => ListenAddress.Parse(wrong));
        Access.NewToken().Length.ShouldBe(48);
    }
}
