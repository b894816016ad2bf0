using Cairn;

namespace Examples;

/// <summary>What docs/alerts.md shows first, with this namespace alone.</summary>
internal static class AlertOptionsExample
{
    public static CheckpointOptions Options()
    {
        // example begins
        var options = new CheckpointOptions
        {
            Folder = "runs/tinylm",
            Alerts = ["https://hooks.slack.com/services/…", "https://open.feishu.cn/open-apis/bot/v2/hook/…"],
            AlertCopyAge = TimeSpan.FromHours(1),
        };
        // example ends
        return options;
    }
}
