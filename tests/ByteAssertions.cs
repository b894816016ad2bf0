namespace Cairn.Tests;

/// <summary>Compares bytes as one piece. Shouldly boxes each of them, which takes a second for 10 MiB.</summary>
internal static class ByteAssertions
{
    public static void ShouldBe(this byte[] actual, byte[] expected, string? customMessage = null)
    {
        int same = actual.AsSpan().CommonPrefixLength(expected);
        if (same < actual.Length || same < expected.Length)
            Assert.Fail($"{actual.Length} bytes instead of {expected.Length}, the same in the first {same}. {customMessage}");
    }
}
