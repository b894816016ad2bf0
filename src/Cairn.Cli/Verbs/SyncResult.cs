namespace Cairn.Cli.Verbs;

/// <summary>
/// One copy in <c>cairn sync</c>. <c>State</c> is copied, there, planned, damaged, differs (one of its step with other content stands in the target), passed_over, removed, or kept (the source has it no more).
/// The name is the copy's folder in the source, or in the target for those that the source has no more.
/// </summary>
internal sealed record SyncRow(string Name, long Step, string Kind, string State, long Bytes, string? Why);

/// <summary>
/// The result of <c>cairn sync</c>. Record and journal are copied, there, absent, kept (the target has its own) or left out. Bytes are those of the copies that were copied, or would be.
/// </summary>
internal sealed record SyncResult(
    string Source, string Target, string? Run, bool Done, IReadOnlyList<SyncRow> Copies, int Copied, int There, int Removed, int Bad, long Bytes, bool Verified, string Record, string Journal,
    IReadOnlyList<string> Notes, double Seconds);
