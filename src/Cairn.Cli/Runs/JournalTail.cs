using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Cairn.Journal;
using Cairn.Stores;

namespace Cairn.Cli.Runs;

/// <summary>Reads a journal as it grows.</summary>
internal sealed class JournalTail(IFileSource files, long from = 0)
{
    private readonly List<byte> _line = [];
    private long _position = from;

    /// <summary>Bytes that the journal has now.</summary>
    public static long Length(IFileSource files)
    {
        try
        {
            using IReadableFile file = JournalFile.Open(files);
            return file.Length;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return 0;
        }
    }

    /// <summary>The whole lines that were added since the last call.</summary>
    public List<string> Read()
    {
        List<string> lines = [];
        try
        {
            using IReadableFile file = JournalFile.Open(files);
            byte[] buffer = new byte[256 << 10];
            while (file.Read(_position, buffer) is > 0 and var read)
            {
                _position += read;
                ReadOnlySpan<byte> rest = buffer.AsSpan(0, read);
                for (int end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
                {
                    if (_line.Count == 0)
                        lines.Add(Encoding.UTF8.GetString(rest[..end]));
                    else
                    {
                        _line.AddRange(rest[..end]);
                        lines.Add(Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(_line)));
                        _line.Clear();
                    }
                    rest = rest[(end + 1)..];
                }
                _line.AddRange(rest);
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // There is none yet.
        }
        return lines;
    }

    /// <summary>The lines that were added since the last call, as objects; what is none is passed over.</summary>
    public IEnumerable<JsonElement> Events()
    {
        foreach (string line in Read())
        {
            JsonElement? json = null;
            try
            {
                using JsonDocument document = JsonDocument.Parse(line);
                if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("event", out _))
                    json = document.RootElement.Clone();
            }
            catch (JsonException)
            {
                // A line that a crash cut off.
            }
            if (json is { } element)
                yield return element;
        }
    }
}
