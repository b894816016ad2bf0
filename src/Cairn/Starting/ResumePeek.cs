using System.Collections.Frozen;
using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tiers;

namespace Cairn.Starting;

/// <summary>Looks at what a start would resume from, and changes nothing: no lock is taken and nothing is recovered. The first rank looks, and tells the others.</summary>
internal static class ResumePeek
{
    private const int MostTries = 5;
    /// <summary>Looks.</summary>
    /// <exception cref="CheckpointException">There is something, and none of it can be used; or the options contradict what stands there.</exception>
    public static ResumePreview Look(IRunHome home, CheckpointOptions options, RankGroup ranks, TimeProvider time, CancellationToken cancellationToken)
    {
        var work = new CollectiveWork(ranks, "peek", options.RankTimeout);
        RunOpening? opening = null;
        if (ranks.IsFirst)
            work.Try(() => opening = Decide(home, options, time, cancellationToken));
        ReadOnlyMemory<byte> answer = work.Agree("what a start would resume from", static _ => { }, _ => RankMessages.Write(to => Write(to, opening!, options)));
        return RankMessages.Read(answer, from => Read(from, options));
    }

    private static RunOpening Decide(IRunHome home, CheckpointOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        for (int tries = 1; ; tries++)
        {
            var places = new ResumePlaces(home.Files, options.ResumeFrom, home.OpenOther) { Parts = [.. options.ResumeParts] };
            using var verifier = new CollectiveVerifier(RankGroup.Single, places, options.RankTimeout, cancellationToken);
            try
            {
                if (options is { FastFolder: not null, AutoResume: true })
                    FindNearer(places, home.Files, options.FastFolder);
                return RunOpening.Decide(places, options, time.GetUtcNow(), options.VerifyHashes ? verifier : null, LastSeen.RecoverableStep(home.Files) ?? 0);
            }
            catch (CopyChangedException) when (tries < MostTries)
            {
                // A run that is trained meanwhile has made a newer copy.
            }
        }
    }

    // What is whole on this machine.
    private static void FindNearer(ResumePlaces places, IRunFiles home, string fastFolder)
    {
        Catalog catalog = Catalog.Read(home);
        if (RunRecord.LoadOrRebuild(home, catalog, out _) is not { } record)
            return;
        var files = new LocalFileSystem(Path.Join(PlacePath.Full(fastFolder), record.Id));
        if (!files.FolderExists(""))
            return;
        Marker? newest = catalog.Entries.FirstOrDefault(LineView.Of(record).Holds)?.Marker;
        places.Fast = files;
        places.Nearer =
        [
            .. new FastPlace(files).Copies().OfType<FastCopy>().Where(copy => copy.IsWhole && !TierOpening.IsPassed(Found(copy), newest))
                .Select(copy => CatalogEntry.At(files, copy.Folder, copy.Marker.Kind, copy.Marker.Step)),
        ];
    }

    private static FoundCopy Found(FastCopy copy) =>
        new(new TieredCopy(copy.Digest, copy.Marker.Kind, copy.Marker.Reason, copy.Marker.Step), copy.Marker.Lineage.Current.Id, copy.Marker.Fence ?? 0, copy.IsWhole, copy.Folder);

    private static void Write(BinaryWriter to, RunOpening opening, CheckpointOptions options)
    {
        to.WriteName(opening.Source?.Name);
        bool takesCounters = opening.Source is { Marker.Train.Count: > 0 } && (!opening.Parts.Any() || opening.Parts.Contains(TrainState.PartName, StringComparer.Ordinal));
        byte[] counters = takesCounters ? ValuesWriter.Write(opening.Source!.Marker.Train, indented: false).Json : [];
        to.WriteList(counters, to.Write);
        to.WriteName(takesCounters ? opening.Record.Finished?.At(Counters(opening.Source!.Marker.Train, options), opening.Record.Lineage) : null);
        FaultMessages.Write(to, opening.PassedOver);
    }

    private static ResumePreview Read(BinaryReader from, CheckpointOptions options)
    {
        string? source = from.ReadName();
        byte[] counters = [.. from.ReadList(from.ReadByte)];
        TrainState train = Counters(counters.Length == 0 ? null : ValuesReader.Read(counters, TrainState.PartName, FrozenDictionary<string, StateTensor>.Empty), options);
        if (from.ReadName() is { } reason)
            train.Finish(reason);
        return new ResumePreview { Train = train, Source = source, PassedOver = FaultMessages.Read(from) };
    }

    private static TrainState Counters(StateMap? saved, CheckpointOptions options)
    {
        var train = new TrainState { TotalSteps = options.TotalSteps };
        if (saved is not null)
            train.Restore(saved);
        return train;
    }
}
