using System.Diagnostics.CodeAnalysis;

namespace Cairn.Alerts;

/// <summary>In which form an address takes alerts.</summary>
internal enum AlertFormat
{
    /// <summary>Cairn's own JSON: docs/json/alert.schema.json.</summary>
    Json,
    /// <summary>An incoming webhook of Slack, or of what is compatible with it.</summary>
    Slack,
    /// <summary>A custom bot of Feishu or Lark.</summary>
    Feishu,
}

/// <summary>A web address that takes alerts. Its path and query are secrets: whoever knows them can write there.</summary>
/// <param name="Uri">The whole address.</param>
/// <param name="Format">What it takes.</param>
internal sealed record AlertAddress(Uri Uri, AlertFormat Format)
{
    private static readonly (string Prefix, AlertFormat Format)[] Prefixes = [("slack:", AlertFormat.Slack), ("feishu:", AlertFormat.Feishu), ("json:", AlertFormat.Json)];

    /// <summary>What may be shown of it: scheme and host.</summary>
    public string Shown => $"{Uri.Scheme}://{Uri.Host}";

    /// <summary>Reads an address: http or https, with <c>slack:</c>, <c>feishu:</c> or <c>json:</c> in front where the host does not tell the form.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out AlertAddress? address)
    {
        address = null;
        string rest = text?.Trim() ?? "";
        AlertFormat? given = null;
        foreach ((string prefix, AlertFormat format) in Prefixes)
        {
            if (!rest.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
                continue;
            (given, rest) = (format, rest[prefix.Length..]);
            break;
        }
        if (!Uri.TryCreate(rest, UriKind.Absolute, out Uri? uri) || (uri.Scheme != Uri.UriSchemeHttp && uri.Scheme != Uri.UriSchemeHttps) || uri.Host.Length == 0)
            return false;
        address = new AlertAddress(uri, given ?? uri.Host.ToLowerInvariant() switch
        {
            "hooks.slack.com" => AlertFormat.Slack,
            "open.feishu.cn" or "open.larksuite.com" => AlertFormat.Feishu,
            _ => AlertFormat.Json,
        });
        return true;
    }

    /// <summary>As records are printed; the address itself never is.</summary>
    public override string ToString() => Shown;
}
