using System.Runtime.InteropServices;
using Cairn.Policies;
using Cairn.Tiers;

namespace Cairn.Running;

/// <summary>What all ranks do at the end of a batch, as the first rank decided.</summary>
/// <param name="Ends">Training ends here.</param>
/// <param name="Stop">Because it was asked to stop.</param>
/// <param name="Signal">Because of a signal.</param>
/// <param name="SinceSignal">How long ago the first signal came.</param>
/// <param name="Save">What to save.</param>
/// <param name="IsBusy">A writer still writes the save before: a snapshot is left out, for a checkpoint all wait.</param>
/// <param name="Channel">The channel for committing it.</param>
/// <param name="Drain">What is brought from the fast tier to the home from now on.</param>
/// <param name="DrainChannel">The channel for that.</param>
/// <param name="IsDrained">The home has all that the fast tier has.</param>
/// <param name="Best">The metric that makes what is saved the best checkpoint.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct BatchDecision(bool Ends, bool Stop, bool Signal, TimeSpan SinceSignal, SaveDecision? Save, bool IsBusy, int Channel, TieredCopy? Drain = null, int DrainChannel = 0, bool IsDrained = false, double? Best = null)
{
    /// <summary>Whether the save is left out.</summary>
    public bool IsDropped => IsBusy && Save is { Kind: SaveKind.Snapshot };

    /// <summary>The activity in which the first rank decided to save, so that the ranks' activities are of one trace.</summary>
    public string? TraceParent { get; init; }

    public void Write(BinaryWriter to)
    {
        to.Write((byte)((Ends ? 1 : 0) | (Stop ? 2 : 0) | (Signal ? 4 : 0) | (Save is null ? 0 : 8) | (IsBusy ? 16 : 0) | (Drain is null ? 0 : 32) | (IsDrained ? 64 : 0) | (Best is null ? 0 : 128)));
        if (Signal)
            to.Write(SinceSignal.Ticks);
        if (Save is { } save)
        {
            to.Write((byte)save.Kind);
            to.Write((byte)save.Reason);
            to.Write(Channel);
            to.Write(TraceParent ?? "");
        }
        if (Best is { } best)
            to.Write(best);
        if (Drain is not { } drain)
            return;
        drain.Write(to);
        to.Write(DrainChannel);
    }

    public static BatchDecision Read(BinaryReader from)
    {
        byte flags = from.ReadByte();
        bool signal = (flags & 4) != 0;
        TimeSpan since = signal ? new TimeSpan(from.ReadInt64()) : TimeSpan.Zero;
        SaveDecision? save = (flags & 8) == 0 ? null : new SaveDecision((SaveKind)from.ReadByte(), (SaveReason)from.ReadByte());
        int channel = save is null ? 0 : from.ReadInt32();
        string? trace = save is null ? null : from.ReadString();
        double? best = (flags & 128) == 0 ? null : from.ReadDouble();
        TieredCopy? drain = (flags & 32) == 0 ? null : TieredCopy.Read(from);
        return new BatchDecision((flags & 1) != 0, (flags & 2) != 0, signal, since, save, (flags & 16) != 0, channel, drain, drain is null ? 0 : from.ReadInt32(), (flags & 64) != 0, best) { TraceParent = trace is { Length: > 0 } ? trace : null };
    }
}
