namespace Cairn.Tiers;

/// <summary>Which slot of each host a new copy takes. Pure: the first rank decides for all hosts from what they say stands in them.</summary>
internal static class FastSlots
{
    /// <summary>An empty slot, or one whose copy may go, on every host; the older copy first.</summary>
    /// <param name="hosts">For each host, the copy in each slot by its digest; <see langword="null"/> for none.</param>
    /// <param name="priorityOf">How much a copy is needed: those of less go first; <see langword="null"/> for one that must stay.</param>
    /// <returns>The slot of each host; <see langword="null"/> when one has none.</returns>
    public static int[]? Choose(IReadOnlyList<IReadOnlyList<UInt128?>> hosts, Func<UInt128, long?> priorityOf)
    {
        int[] chosen = new int[hosts.Count];
        for (int host = 0; host < hosts.Count; host++)
        {
            (long Priority, int Slot)[] free =
            [
                .. hosts[host].Select((digest, slot) => (Priority: digest is { } copy ? priorityOf(copy) : long.MinValue, Slot: slot)).Where(slot => slot.Priority is not null).Select(slot => (slot.Priority!.Value, slot.Slot)),
            ];
            if (free.Length == 0)
                return null;
            chosen[host] = free.Min().Slot;
        }
        return chosen;
    }
}
