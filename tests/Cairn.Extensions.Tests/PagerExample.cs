using Cairn.Alerts;

namespace Examples;

// example begins
internal sealed class Pager(HttpClient http, Uri address) : IAlertSink
{
    public async Task SendAsync(Alert alert, CancellationToken cancellationToken)
    {
        if (alert.Kind != AlertKind.Aborted)
            return;
        using var text = new StringContent(alert.ToString());
        using HttpResponseMessage answer = await http.PostAsync(address, text, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }
}
// example ends
