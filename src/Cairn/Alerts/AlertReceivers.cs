namespace Cairn.Alerts;

/// <summary>From addresses and a receiver of the user's own to what a sender takes.</summary>
internal static class AlertReceivers
{
    /// <summary>All receivers; addresses that cannot be read are left out, for the options were checked.</summary>
    public static IReadOnlyList<(string Name, IAlertSink Sink)> Of(IEnumerable<string> addresses, IAlertSink? own, TimeProvider time)
    {
        List<(string, IAlertSink)> receivers = [];
        foreach (string text in addresses)
        {
            if (AlertAddress.TryParse(text, out AlertAddress? address))
                receivers.Add((address.Shown, new WebhookSink(address, time)));
        }
        if (own is not null)
            receivers.Add((own.GetType().Name, own));
        return receivers;
    }

    /// <summary>What is wrong with addresses, a sentence each, in which none of them is shown.</summary>
    public static IEnumerable<string> Problems(string option, IEnumerable<string> addresses) => addresses.Select((text, index) => (text, index)).Where(entry => !AlertAddress.TryParse(entry.text, out _))
        .Select(entry => $"{option}: address {entry.index + 1} is none that alerts can be sent to. It begins with https:// or http://, or with slack:, feishu: or json: before that. (It is not shown, for it may hold a secret.)");
}
