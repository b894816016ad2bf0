using System.Runtime.InteropServices;
using Cairn.Policies;

namespace Cairn.Ranks;

/// <summary>What one rank brings to the end of a batch.</summary>
/// <param name="Stop">It was asked to stop.</param>
/// <param name="Signal">It was told to stop by a signal.</param>
/// <param name="Save">It was asked to save.</param>
/// <param name="IsBusy">Its writer still writes.</param>
/// <param name="SinceSignal">How long ago the signal came.</param>
/// <param name="Unfinished">Its state has changed since the last boundary.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Wishes(bool Stop, bool Signal, bool Save, bool IsBusy, TimeSpan SinceSignal, bool Unfinished = false)
{
    /// <summary>What any of the ranks wishes; the earliest signal counts.</summary>
    public static Wishes Of(IEnumerable<Wishes> all)
    {
        Wishes any = default;
        foreach (Wishes one in all)
        {
            any = new Wishes(any.Stop | one.Stop, any.Signal | one.Signal, any.Save | one.Save, any.IsBusy | one.IsBusy,
                one.SinceSignal > any.SinceSignal ? one.SinceSignal : any.SinceSignal, any.Unfinished | one.Unfinished);
        }
        return any;
    }

    public void Write(BinaryWriter to)
    {
        to.Write((byte)((Stop ? 1 : 0) | (Signal ? 2 : 0) | (Save ? 4 : 0) | (IsBusy ? 8 : 0) | (Unfinished ? 16 : 0)));
        if (Signal)
            to.Write(SinceSignal.Ticks);
    }

    public static Wishes Read(BinaryReader from)
    {
        byte flags = from.ReadByte();
        bool signal = (flags & 2) != 0;
        return new Wishes((flags & 1) != 0, signal, (flags & 4) != 0, (flags & 8) != 0, signal ? new TimeSpan(from.ReadInt64()) : TimeSpan.Zero, (flags & 16) != 0);
    }
}

/// <summary>What all ranks do at the end of a batch, as the first rank decided.</summary>
/// <param name="Ends">Training ends here.</param>
/// <param name="Stop">Because it was asked to stop.</param>
/// <param name="Signal">Because of a signal.</param>
/// <param name="SinceSignal">How long ago the first signal came.</param>
/// <param name="Save">What to save.</param>
/// <param name="IsBusy">A writer still writes the save before: a snapshot is left out, for a checkpoint all wait.</param>
/// <param name="Channel">The channel for committing it.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Boundary(bool Ends, bool Stop, bool Signal, TimeSpan SinceSignal, SaveDecision? Save, bool IsBusy, int Channel)
{
    /// <summary>Whether the save is left out.</summary>
    public bool IsDropped => IsBusy && Save is { Kind: SaveKind.Snapshot };

    public void Write(BinaryWriter to)
    {
        to.Write((byte)((Ends ? 1 : 0) | (Stop ? 2 : 0) | (Signal ? 4 : 0) | (Save is null ? 0 : 8) | (IsBusy ? 16 : 0)));
        if (Signal)
            to.Write(SinceSignal.Ticks);
        if (Save is not { } save)
            return;
        to.Write((byte)save.Kind);
        to.Write((byte)save.Reason);
        to.Write(Channel);
    }

    public static Boundary Read(BinaryReader from)
    {
        byte flags = from.ReadByte();
        bool signal = (flags & 4) != 0;
        TimeSpan since = signal ? new TimeSpan(from.ReadInt64()) : TimeSpan.Zero;
        SaveDecision? save = (flags & 8) == 0 ? null : new SaveDecision((SaveKind)from.ReadByte(), (SaveReason)from.ReadByte());
        return new Boundary((flags & 1) != 0, (flags & 2) != 0, signal, since, save, (flags & 16) != 0, save is null ? 0 : from.ReadInt32());
    }
}
