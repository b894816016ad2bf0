using System.Collections.Frozen;
using System.Numerics;

namespace Cairn;

/// <summary>Static members that .NET 9 and 10 added to the framework's types.</summary>
internal static class StaticMembers
{
    extension(Convert)
    {
        public static string ToHexStringLower(ReadOnlySpan<byte> bytes) => Convert.ToHexString(bytes).ToLowerInvariant();
    }

    extension(FrozenSet)
    {
        public static FrozenSet<T> Create<T>(IEqualityComparer<T>? comparer, params ReadOnlySpan<T> source) => source.ToArray().ToFrozenSet(comparer);
    }

    extension(Task)
    {
        public static void WaitAll(IEnumerable<Task> tasks, CancellationToken cancellationToken = default) => Task.WaitAll([.. tasks], cancellationToken);
    }

    /// <summary>As there, no promise is made for NaN and for the sign of zero.</summary>
    extension(Vector)
    {
        public static Vector<double> MinNative(Vector<double> left, Vector<double> right) => Vector.Min(left, right);

        public static Vector<double> MaxNative(Vector<double> left, Vector<double> right) => Vector.Max(left, right);
    }
}
