using Cairn.Alerts;

namespace Cairn.Tests.Alerts;

internal static class SampleAlert
{
    public static Alert Of(AlertKind kind = AlertKind.SaveFailed, long step = 500, string message = "The checkpoint of step 500 was not saved: no space.") => new()
    {
        Kind = kind,
        Run = "runs/tiny",
        Host = "node1",
        Step = step,
        TotalSteps = 1000,
        Message = message,
        Time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
    };
}
