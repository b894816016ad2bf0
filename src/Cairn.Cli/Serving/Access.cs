using System.Security.Cryptography;
using System.Text;

namespace Cairn.Cli.Serving;

/// <summary>What of a request says who asks.</summary>
/// <param name="Method">Its method.</param>
/// <param name="Host">The name, with a port or not, that the browser believes to speak to.</param>
/// <param name="Origin">Where a script that asks was loaded from.</param>
/// <param name="Site">What the browser says of that (<c>Sec-Fetch-Site</c>).</param>
/// <param name="Token">The token of the cookie or the address.</param>
/// <param name="ActionToken">The token in the header of a request that changes something; a page of another origin cannot set one.</param>
internal sealed record Asker(string Method, string Host, string? Origin, string? Site, string? Token, string? ActionToken);

/// <summary>Who may look, and who may ask the run for something.</summary>
/// <param name="isLoopback">Whether only this machine is listened to.</param>
/// <param name="token">What must be known; <see langword="null"/> when looking is free to all of this machine, and nothing can be asked for.</param>
/// <param name="allowsActions">Whether the run may be asked for something at all.</param>
internal sealed class Access(bool isLoopback, string? token, bool allowsActions)
{
    private const int TokenBytes = 24;

    /// <summary>A token that nobody guesses.</summary>
    public static string NewToken() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes));

    /// <summary>Why a request is refused; <see langword="null"/> when it is not.</summary>
    /// <param name="asker">Who asks.</param>
    /// <param name="acts">Whether it would change something.</param>
    public string? Refusal(Asker asker, bool acts)
    {
        // A name of an attacker's own may lead to this machine (DNS rebinding): his page would then be of the same origin.
        if (isLoopback && !IsLoopbackName(asker.Host))
            return "This page answers to the names of this machine only: localhost, 127.0.0.1 and [::1].";
        if (token is not null && !IsToken(asker.Token) && !IsToken(asker.ActionToken))
            return "The address lacks the token. Take the whole address that cairn serve printed.";
        if (!acts)
            return asker.Method is "GET" or "HEAD" ? null : "Only looking is possible here.";
        if (!allowsActions || token is null)
            return "Nothing may be asked for: cairn serve was started without --allow-actions.";
        return asker.Method != "POST" ? "What changes something is asked for by POST."
            : !IsToken(asker.ActionToken) ? "The request does not carry the token of the page."
            : asker.Origin != $"http://{asker.Host}" || asker.Site is not (null or "same-origin") ? "The request comes from another page."
            : null;
    }

    private bool IsToken(string? given) =>
        given is not null && token is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(token));

    private static bool IsLoopbackName(string host)
    {
        int port = host.LastIndexOf(':');
        string name = port > 0 && !host.EndsWith(']') ? host[..port] : host;
        return name is "127.0.0.1" or "[::1]" || name.Equals("localhost", StringComparison.OrdinalIgnoreCase);
    }
}
