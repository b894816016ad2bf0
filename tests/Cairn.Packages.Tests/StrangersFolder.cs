namespace Cairn.Packages.Tests;

/// <summary>The tests in one stranger's folder, one after the other.</summary>
[CollectionDefinition(nameof(StrangersFolder))]
public sealed class StrangersFolder : ICollectionFixture<Stranger>;
