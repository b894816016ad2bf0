using Cairn.Packages.Tests;

[assembly: AssemblyFixture(typeof(Feed))]
// Each test builds with all cores.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
