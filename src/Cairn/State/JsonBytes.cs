using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Cairn.State;

/// <summary>JSON that is written in memory, in a buffer that is kept for the next one.</summary>
internal static class JsonBytes
{
    private const int MostKept = 4 << 20;

    /// <summary>For programs: one line, and letters stand as they are.</summary>
    public static readonly JsonWriterOptions Dense = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>For people as well.</summary>
    public static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n" };

    private static ArrayBufferWriter<byte>? s_kept;

    /// <summary>What was written, in UTF-8.</summary>
    /// <param name="options">Its form.</param>
    /// <param name="write">Writes it.</param>
    /// <param name="endsLine">Whether a line end follows it.</param>
    public static byte[] Write(JsonWriterOptions options, Action<Utf8JsonWriter> write, bool endsLine = false)
    {
        ArrayBufferWriter<byte> buffer = Interlocked.Exchange(ref s_kept, null) ?? new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, options))
            write(json);
        if (endsLine)
            buffer.Write("\n"u8);
        byte[] written = buffer.WrittenSpan.ToArray();
        if (buffer.Capacity <= MostKept)
        {
            buffer.ResetWrittenCount();
            s_kept = buffer;
        }
        return written;
    }
}
