[assembly: AssemblyFixture(typeof(Cairn.Telemetry.Tests.ScrapedRun))]
