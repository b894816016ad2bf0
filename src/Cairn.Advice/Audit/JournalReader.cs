namespace Cairn.Advice.Audit;

/// <summary>Reads Cairn's <c>journal.jsonl</c>; its events are described in <c>docs/files.md</c>.</summary>
public static class JournalReader
{
    /// <summary>Whether a line is one of a journal.</summary>
    public static bool Recognizes(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        return line.StartsWith("{\"time\":", StringComparison.Ordinal) && line.Contains("\"event\":", StringComparison.Ordinal);
    }

    /// <summary>What the lines say, in their order. Lines that cannot be understood are counted.</summary>
    public static RunHistory Read(IEnumerable<string> lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        var reading = new JournalReading();
        foreach (string line in lines)
            reading.Take(line);
        return reading.History;
    }
}
