using System.Runtime.InteropServices;

namespace Cairn.Running;

/// <summary>What one rank brings to the end of a batch.</summary>
/// <param name="Stop">It was asked to stop.</param>
/// <param name="Signal">It was told to stop by a signal.</param>
/// <param name="Save">It was asked to save.</param>
/// <param name="IsBusy">Its writer still writes.</param>
/// <param name="SinceSignal">How long ago the signal came.</param>
/// <param name="Unfinished">Its state has changed since the last boundary.</param>
/// <param name="IsDraining">It still brings a copy to the home.</param>
/// <param name="IsOccupied">Its save before is not over, or the memory for the next one is not ready: no snapshot without an interval begins.</param>
/// <param name="Stall">For how long it has waited for saves since it started.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct BatchRequests(bool Stop, bool Signal, bool Save, bool IsBusy, TimeSpan SinceSignal, bool Unfinished = false, bool IsDraining = false, bool IsOccupied = false, TimeSpan Stall = default)
{
    /// <summary>What any of the ranks asks for; the earliest signal and the longest stall count.</summary>
    public static BatchRequests Of(IEnumerable<BatchRequests> all)
    {
        BatchRequests any = default;
        foreach (BatchRequests one in all)
        {
            any = new BatchRequests(any.Stop | one.Stop, any.Signal | one.Signal, any.Save | one.Save, any.IsBusy | one.IsBusy,
                one.SinceSignal > any.SinceSignal ? one.SinceSignal : any.SinceSignal, any.Unfinished | one.Unfinished, any.IsDraining | one.IsDraining,
                any.IsOccupied | one.IsOccupied, one.Stall > any.Stall ? one.Stall : any.Stall);
        }
        return any;
    }

    public void Write(BinaryWriter to)
    {
        to.Write((byte)((Stop ? 1 : 0) | (Signal ? 2 : 0) | (Save ? 4 : 0) | (IsBusy ? 8 : 0) | (Unfinished ? 16 : 0) | (IsDraining ? 32 : 0) | (IsOccupied ? 64 : 0)));
        to.Write(Stall.Ticks);
        if (Signal)
            to.Write(SinceSignal.Ticks);
    }

    public static BatchRequests Read(BinaryReader from)
    {
        byte flags = from.ReadByte();
        var stall = new TimeSpan(from.ReadInt64());
        bool signal = (flags & 2) != 0;
        return new BatchRequests((flags & 1) != 0, signal, (flags & 4) != 0, (flags & 8) != 0, signal ? new TimeSpan(from.ReadInt64()) : TimeSpan.Zero, (flags & 16) != 0, (flags & 32) != 0,
            (flags & 64) != 0, stall);
    }
}
