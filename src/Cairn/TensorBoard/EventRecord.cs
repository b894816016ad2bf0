using System.Text;

namespace Cairn.TensorBoard;

/// <summary>
/// TensorBoard's events as records of an event file: the few fields of <c>Event</c>, <c>SessionLog</c> and <c>Summary</c> that curves need
/// (<c>tensorboard/compat/proto/event.proto</c> and <c>summary.proto</c>), in protobuf's wire format.
/// </summary>
internal static class EventRecord
{
    // The numbers of the fields.
    private const int EventWallTime = 1, EventStep = 2, EventFileVersion = 3, EventSummary = 5, EventSessionLog = 7;
    private const int SessionStatus = 1, SummaryValue = 1, ValueTag = 1, ValueSimple = 2;
    // What stands in the low bits of a field's key.
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;
    private const int SessionStart = 1;

    /// <summary>The first record of a file: its version.</summary>
    public static byte[] FileVersion(DateTimeOffset time) => Of(time, 0, static record => Message(record, EventFileVersion, "brain.Event:2"u8));

    /// <summary>A process begins. Of what earlier files of the folder hold, points of this step and of later ones count no more: <c>purge_step</c> elsewhere.</summary>
    public static byte[] Start(DateTimeOffset time, long step) => Of(time, step, static record => Message(record, EventSessionLog, [SessionStatus << 3 | Varint, SessionStart]));

    /// <summary>Points, one after the other; those of one moment and step share a record.</summary>
    public static byte[] Scalars(ReadOnlySpan<Scalar> points)
    {
        using var records = new MemoryStream();
        while (points.Length > 0)
        {
            int same = 1;
            while (same < points.Length && (points[same].Step, points[same].Time) == (points[0].Step, points[0].Time))
                same++;
            byte[] summary = Summary(points[..same]);
            records.Write(Of(points[0].Time, points[0].Step, record => Message(record, EventSummary, summary)));
            points = points[same..];
        }
        return records.ToArray();
    }

    private static byte[] Of(DateTimeOffset time, long step, Action<BinaryWriter> what) => TfRecord.Of(Bytes(record =>
    {
        Key(record, EventWallTime, Fixed64);
        record.Write((time - DateTimeOffset.UnixEpoch).TotalSeconds);
        Key(record, EventStep, Varint);
        record.Write7BitEncodedInt64(step);
        what(record);
    }));

    private static byte[] Summary(ReadOnlySpan<Scalar> points)
    {
        using var values = new MemoryStream();
        using var writer = new BinaryWriter(values);
        foreach (Scalar point in points)
        {
            Message(writer, SummaryValue, Bytes(value =>
            {
                Message(value, ValueTag, Encoding.UTF8.GetBytes(point.Tag));
                Key(value, ValueSimple, Fixed32);
                value.Write((float)point.Value);
            }));
        }
        return values.ToArray();
    }

    private static void Message(BinaryWriter to, int field, ReadOnlySpan<byte> bytes)
    {
        Key(to, field, Delimited);
        to.Write7BitEncodedInt(bytes.Length);
        to.Write(bytes);
    }

    // Small numbers take one byte as a varint too.
    private static void Key(BinaryWriter to, int field, int type) => to.Write((byte)(field << 3 | type));

    private static byte[] Bytes(Action<BinaryWriter> write)
    {
        using var bytes = new MemoryStream();
        using (var writer = new BinaryWriter(bytes, Encoding.UTF8, leaveOpen: true))
            write(writer);
        return bytes.ToArray();
    }
}
