using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Journal;

/// <summary>Tells the journal how a run began.</summary>
internal sealed class StartJournal(RunJournal journal)
{
    /// <summary>Writes what was passed over, whether a branch began, and what the run started from with which options.</summary>
    public void Report(string run, ResumeReport resume, bool forked, TrainState train, CheckpointOptions options, SaveSchedule schedule, int ranks)
    {
        foreach (CheckpointFault fault in resume.PassedOver)
        {
            journal.Write("passed_over", json =>
            {
                json.WriteString("path", fault.Path);
                json.WriteString("reason", fault.Reason);
            });
        }
        if (forked)
        {
            journal.Write("branched", json =>
            {
                json.WriteNumber("step", resume.Step);
                json.WriteNumber("branch", resume.Branch.Id);
                json.WriteString("name", resume.Branch.Name);
            });
        }
        journal.Write(resume.IsFresh ? "started" : "resumed", json =>
        {
            json.WriteString("run", run);
            json.WriteNumber("branch", resume.Branch.Id);
            json.WriteNumber("step", train.Step);
            json.WriteNumber("batch", train.Batch);
            if (resume.Source is { } from)
            {
                json.WriteString("from", from);
                if (resume.Settings.Count > 0)
                {
                    json.WriteStartArray("settings");
                    foreach (SettingDifference difference in resume.Settings)
                    {
                        json.WriteStartObject();
                        json.WriteString("part", difference.Part);
                        json.WriteString("name", difference.Name);
                        json.WriteString("saved", difference.Saved);
                        json.WriteString("program", difference.Program);
                        json.WriteString("holds", difference.Holds == SettingsSource.Saved ? "saved" : "program");
                        json.WriteEndObject();
                    }
                    json.WriteEndArray();
                }
                if (resume.NotExact.Count > 0)
                {
                    json.WriteStartArray("not_exact");
                    foreach (string part in resume.NotExact)
                        json.WriteStringValue(part);
                    json.WriteEndArray();
                }
            }
            if (resume.Source is not null || resume.LostSteps > 0)
                json.WriteNumber("lost_steps", resume.LostSteps);
            if (resume.LostAtLeast)
                json.WriteBoolean("lost_at_least", true);
            if (ranks > 1)
                json.WriteNumber("ranks", ranks);
            if (train.TotalSteps is { } total)
                json.WriteNumber("total_steps", total);
            json.WriteString("checkpoint", schedule.CheckpointPolicy.Describe);
            json.WriteString("snapshot", schedule.SnapshotPolicy.Describe);
            json.WriteBoolean("enabled", options.Enabled);
            json.WriteBoolean("asynchronous", options.Asynchronous);
            if (options.FastFolder is { } fast)
                json.WriteString("fast_folder", PlacePath.Full(fast));
            if (options is { CheckpointPolicy: null, CheckpointEvery: { } checkpointEvery })
                json.WriteNumber("checkpoint_every", checkpointEvery);
            if (options.SnapshotsAreContinuous)
                json.WriteString("snapshot_every", "auto");
            else if (options.SnapshotPolicy is null)
                json.WriteNumber("snapshot_every", options.SnapshotSteps ?? 0);
            json.WriteNumber("pid", Environment.ProcessId);
            json.WriteString("host", Environment.MachineName);
        });
    }
}
