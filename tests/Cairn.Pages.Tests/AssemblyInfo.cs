[assembly: AssemblyFixture(typeof(Cairn.Pages.Tests.Browser))]
[assembly: AssemblyFixture(typeof(Cairn.Pages.Tests.SampleRuns))]
