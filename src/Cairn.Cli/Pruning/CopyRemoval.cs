using Cairn.Cli.Listing;
using Cairn.Journal;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Cli.Pruning;

/// <summary>Removes copies so that none is ever half there under its name.</summary>
internal static class CopyRemoval
{
    /// <summary>Removes checkpoints of a run of Cairn, whose lock is held, and writes it into the journal.</summary>
    public static void OfRun(IRunHome home, ILease? lease, IEnumerable<PrunedStep> steps, CancellationToken cancellationToken)
    {
        ICopyPublisher publisher = home.Publisher(lease);
        var journal = new RunJournal(home.Files, TimeProvider.System, NullLogger.Instance);
        foreach (PrunedStep step in steps)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (publisher.Retire(step.Step!.Value))
                journal.Write("retired", json => json.WriteNumber("step", step.Step.Value));
        }
    }

    /// <summary>Takes from checkpoints of a run of Cairn, whose lock is held, what only a restart needs.</summary>
    public static void OfOptimizers(IRunHome home, ILease? lease, IEnumerable<PrunedStep> steps, CancellationToken cancellationToken)
    {
        ICopyPublisher publisher = home.Publisher(lease);
        var journal = new RunJournal(home.Files, TimeProvider.System, NullLogger.Instance);
        foreach (CatalogEntry entry in steps.Select(step => step.Copies[0].Entry!))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (publisher.Shrink(entry, WeightsOnly.Of(entry.Marker!)!))
                journal.Write("weights_only", json => json.WriteNumber("step", entry.Step));
        }
    }

    /// <summary>Removes what is left over in a run of Cairn, whose lock is held.</summary>
    public static void OfLeftOver(IRunHome home, ILease? lease, IEnumerable<LeftOver> all, CancellationToken cancellationToken)
    {
        ICopyPublisher publisher = home.Publisher(lease);
        foreach (LeftOver left in all.Where(left => left.IsAbandoned))
        {
            cancellationToken.ThrowIfCancellationRequested();
            publisher.RemoveAbandoned(left.Name[(left.Name.LastIndexOf('/') + 1)..]);
        }
        // As a start does: what is staged goes, but for what can still be brought to its end.
        publisher.Recover();
    }

    /// <summary>Removes checkpoints of another program.</summary>
    public static void OfFolder(string root, IEnumerable<PrunedStep> steps, CancellationToken cancellationToken)
    {
        foreach (ListedCopy copy in steps.SelectMany(step => step.Copies))
        {
            cancellationToken.ThrowIfCancellationRequested();
            string path = Path.Join(root, copy.Name);
            if (File.Exists(path))
            {
                File.Delete(path);
                continue;
            }
            // Its name goes at once: a crash meanwhile must not leave a folder that looks like a checkpoint and lacks files.
            string aside = Path.Join(root, $".retired-{copy.Name}");
            if (Directory.Exists(aside))
                Directory.Delete(aside, recursive: true);
            Directory.Move(path, aside);
            Directory.Delete(aside, recursive: true);
        }
    }
}
