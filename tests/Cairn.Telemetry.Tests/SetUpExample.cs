using Cairn.Telemetry;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Examples;

/// <summary>What docs/telemetry.md shows, with these namespaces alone.</summary>
internal static class SetUpExample
{
    public static (bool Meters, bool Traces) SetUp()
    {
        // example begins
        using MeterProvider meters = Sdk.CreateMeterProviderBuilder()
            .AddMeter(CairnTelemetry.SourceName)
            .AddPrometheusHttpListener()        // http://localhost:9464/metrics; or .AddOtlpExporter()
            .Build();
        using TracerProvider traces = Sdk.CreateTracerProviderBuilder()
            .AddSource(CairnTelemetry.SourceName)
            .AddOtlpExporter()
            .Build();
        // example ends
        return (meters is not null, traces is not null);
    }
}
