using System.Reflection;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Tests.Telemetry;

/// <summary>Each message of the library has an event id of its own, by which it can be filtered.</summary>
public class CairnLogTests
{
    [Fact]
    public void Event_ids_are_unique()
    {
        (int Id, string Name)[] all =
        [
            .. typeof(CairnLog).GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic).Select(method => (method.GetCustomAttribute<LoggerMessageAttribute>()?.EventId ?? -1, method.Name)).Where(method => method.Item1 >= 0),
        ];
        all.Length.ShouldBeGreaterThan(30);
        all.GroupBy(message => message.Id).Where(same => same.Count() > 1).Select(same => $"{same.Key}: {string.Join(", ", same.Select(message => message.Name))}").ShouldBeEmpty();
    }
}
