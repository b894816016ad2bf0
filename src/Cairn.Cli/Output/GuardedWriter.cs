using System.Text;

namespace Cairn.Cli.Output;

/// <summary>
/// The last guard before a terminal: whatever a message or a name holds, no mark that cannot be seen gets through. The sequences with which tables and
/// progress are drawn do; of text they are taken out where it is put together (<see cref="Words.Printable"/>).
/// </summary>
internal sealed class GuardedWriter(TextWriter inner) : TextWriter(inner.FormatProvider)
{
    private const string Drawing = "\r\n\t\e";

    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => inner.Write(PrintableText.Of(value.ToString(), Drawing));

    public override void Write(char[] buffer, int index, int count) => inner.Write(PrintableText.Of(new string(buffer, index, count), Drawing));

    public override void Write(ReadOnlySpan<char> buffer) => inner.Write(PrintableText.Of(buffer.ToString(), Drawing));

    public override void Write(string? value) => inner.Write(value is null ? null : PrintableText.Of(value, Drawing));

    public override void WriteLine(string? value)
    {
        Write(value);
        inner.WriteLine();
    }

    public override void Flush() => inner.Flush();

    public override Task FlushAsync() => inner.FlushAsync();
}
