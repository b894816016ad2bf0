using System.Diagnostics;
using Cairn.Policies;

namespace Cairn.Telemetry;

/// <summary>The activities of a save: one for all of it, which begins on the training thread and ends on the writer's, and below it one for the capture and each stage.</summary>
internal static class SaveActivity
{
    /// <summary>Begins the activity of a save or a drain, and makes it the current one. <see langword="null"/> when nobody listens.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="step">What is saved.</param>
    /// <param name="kind">The tier.</param>
    /// <param name="rank">This rank.</param>
    /// <param name="parent">The activity of the first rank, in which it decided to save: that of a rank that has none of its own.</param>
    public static Activity? Begin(string name, long step, SaveKind kind, int rank, string? parent = null)
    {
        Activity? activity = Activity.Current is null && parent is not null
            ? CairnTelemetry.Activities.StartActivity(name, ActivityKind.Internal, parent)
            : CairnTelemetry.Activities.StartActivity(name);
        return activity?.SetTag("cairn.step", step).SetTag("cairn.kind", kind.ToString().ToLowerInvariant()).SetTag("cairn.rank", rank);
    }

    /// <summary>Does a part of it in an activity of its own.</summary>
    public static T Within<T>(string name, Func<T> work)
    {
        using Activity? activity = CairnTelemetry.Activities.StartActivity(name);
        try
        {
            return work();
        }
        catch (Exception e)
        {
            activity.Failed(e);
            throw;
        }
    }

    /// <summary>Marks an activity as failed.</summary>
    public static void Failed(this Activity? activity, Exception error) => activity?.SetStatus(ActivityStatusCode.Error, error.Message).SetTag("error.type", error.GetType().FullName);

    /// <summary>Says how it ended.</summary>
    public static void Ended(this Activity? activity, SaveReport report)
    {
        if (activity is null)
            return;
        activity.SetTag("cairn.outcome", report.Outcome.ToString().ToLowerInvariant()).SetTag("cairn.size", report.Bytes);
        if (report.Error is { } error)
            activity.Failed(error);
    }
}
