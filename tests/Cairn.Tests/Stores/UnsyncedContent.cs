namespace Cairn.Tests.Stores;

/// <summary>What a power cut may make of the bytes of a file that were written and not synced.</summary>
internal static class UnsyncedContent
{
    public static readonly string[] Kinds = ["written", "lost", "cut", "zeros", "garbage", "first half written", "second half written"];

    /// <summary>One result for each of <see cref="Kinds"/>.</summary>
    public static byte[][] Variants(byte[] old, byte[] written)
    {
        // What was there and did not change is on the disk already and stays.
        int changed = old.AsSpan().CommonPrefixLength(written);
        int middle = changed + ((written.Length - changed) / 2);
        byte[] zeros = [.. written], garbage = [.. written];
        zeros.AsSpan(changed).Clear();
        for (int i = changed; i < garbage.Length; i++)
            garbage[i] = (byte)(0x5A ^ (i * 31));
        byte[] firstHalf = [.. written], secondHalf = [.. written];
        for (int i = changed; i < written.Length; i++)
            (i < middle ? secondHalf : firstHalf)[i] = i < old.Length ? old[i] : (byte)0;
        return [written, old, written[..middle], zeros, garbage, firstHalf, secondHalf];
    }
}
