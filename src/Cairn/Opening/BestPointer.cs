using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// The file that names the best checkpoint of a run, for scripts and people. It is written after that checkpoint is durable and before what was the best until then may be removed, so it never names
/// what is not there. Nothing in Cairn depends on it: a crash before it is written is made good by the next start.
/// </summary>
internal static class BestPointer
{
    private const int Format = 1, LargestFile = 1 << 20;

    /// <summary>What it says; <see langword="null"/> when there is none that can be understood.</summary>
    public static BestCheckpoint? Read(IFileSource files)
    {
        try
        {
            if (!files.FileExists(RunFolder.Best))
                return null;
            using JsonDocument document = JsonDocument.Parse(SmallFile.Read(files, RunFolder.Best, LargestFile));
            return BestJson.Read(document.RootElement);
        }
        catch (Exception e) when (RunFolder.IsMalformed(e) || e is CorruptCheckpointException)
        {
            return null;
        }
    }

    /// <summary>Makes it say this: a crash leaves the old file or the new one.</summary>
    public static void Write(IRunFiles files, BestCheckpoint best)
    {
        if (Read(files) == best)
            return;
        files.Put(RunFolder.Best, JsonBytes.Write(JsonBytes.Indented, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("format", Format);
            BestJson.Write(json, best);
            json.WriteString("folder", RunFolder.Checkpoint(best.Step));
            json.WriteEndObject();
        }), durable: true);
    }

    /// <summary>Makes it say what is at the home of a run that starts: that checkpoint, or nothing.</summary>
    public static void Mend(IRunFiles files, BestCheckpoint? best)
    {
        if (best is not null)
            Write(files, best);
        else if (files.FileExists(RunFolder.Best))
            files.DeleteFile(RunFolder.Best);
    }
}
