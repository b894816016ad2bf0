namespace Cairn.Cli.Verbs;

/// <summary>A file in <c>cairn convert</c>; bytes are absent for one that was copied as it is.</summary>
internal sealed record ConvertFile(string Name, long? Bytes);

/// <summary>The result of <c>cairn convert</c>. Kept bytes had been written by an earlier conversion that was interrupted; without verification no tensor was read back.</summary>
internal sealed record ConvertResult(
    string Source, string Destination, string Layout, bool Done, IReadOnlyList<ConvertFile> Files, long Bytes, long BytesKept, int TensorsVerified, IReadOnlyList<string> Notes, double Seconds);
