using System.Reflection;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(Cairn.Tests.LongestFirst))]

namespace Cairn.Tests;

/// <summary>
/// Begins with the classes that take longest, so that none of them is left at the end with a processor idle. A project names them, separated by blanks, as <c>LongestFirst</c>.
/// </summary>
internal sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Long = typeof(LongestFirst).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Where(attribute => attribute.Key == nameof(LongestFirst)).SelectMany(attribute => attribute.Value!.Split(' ')).ToArray();

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections) where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(Place)];

    private static int Place<TTestCollection>(TTestCollection collection) where TTestCollection : ITestCollection =>
        Array.FindIndex(Long, name => collection.TestCollectionDisplayName.Contains($".{name} ", StringComparison.Ordinal)) is >= 0 and int place ? place : Long.Length;
}
