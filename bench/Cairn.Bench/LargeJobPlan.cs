using System.Globalization;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.Ranks.Planning;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Ranks.Planning;

namespace Cairn.Bench;

/// <summary>The plan and the marker of a job of 16,384 ranks with 10,000 tensors.</summary>
internal static class LargeJobPlan
{
    private static readonly World World = new(Tp: 8, Pp: 16, Dp: 128, Zo: 128);

    public static void Run(string folder, int rounds)
    {
        var job = new LargeJob(World, tensors: 10_000);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{World.Size:N0} ranks, 10,000 tensors: {job.Classes.Count:N0} classes of holders with {job.Leaves:N0} leaves"));
        double[] all = new double[rounds], check = new double[rounds], one = new double[rounds * 5];
        for (int round = 0; round < rounds; round++)
        {
            all[round] = Measure.Time(() => SavePlan.Create(World.Size, job.Classes)).TotalMilliseconds;
            check[round] = Measure.Time(() => LeafDetail.Check(job.Details.Select(of => (of.Part, of.Leaves.AsEnumerable())))).TotalMilliseconds;
        }
        for (int i = 0; i < one.Length; i++)
        {
            int rank = i * 613 % World.Size;
            one[i] = Measure.Time(() => SavePlan.Create(World.Size, job.Classes, rank)).TotalMilliseconds;
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{"plan of all ranks",-44} {Measure.Median(all):0} ms; check that each element has one owner: {Measure.Median(check):0} ms; one rank's own plan: median {Measure.Median(one):0} ms, slowest {one.Max():0} ms"));
        Catalog(folder, rounds);
    }

    private static void Catalog(string folder, int rounds)
    {
        var files = new LocalFileSystem(Path.Combine(folder, "large"));
        files.CreateFolder("500");
        var marked = new List<MarkedFile>();
        for (int rank = 0; rank < World.Size; rank++)
        {
            foreach ((string part, PartScope scope) in new[] { ("model", PartScope.Shared), ("optimizer", PartScope.Shared), ("random", PartScope.PerRank) })
                marked.Add(new MarkedFile(PartFileName.StemOf(part, scope, World, rank) + ".safetensors", 0, ChunkHashes.Whole(0)));
        }
        foreach (MarkedFile file in marked)
            files.Append($"500/{file.Name}", [], durable: false);
        var marker = new Marker
        {
            Step = 500,
            Kind = SaveKind.Checkpoint,
            Reason = SaveReason.Interval,
            Run = "bench",
            Lineage = Lineage.New,
            Time = DateTimeOffset.UnixEpoch,
            World = World,
            Train = [],
            Files = marked,
        };
        byte[] bytes = marker.ToBytes();
        files.Append($"500/{Marker.FileName(500)}", bytes, durable: false);
        double[] open = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            open[round] = Measure.Time(() =>
            {
                if (Opening.Catalog.Read(files).Entries[0].Marker is null)
                    throw new InvalidOperationException("The marker was not read");
            }).TotalMilliseconds;
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"marker of all ranks",-44} {marked.Count:N0} files, {bytes.Length / 1048576.0:0.0} MiB; the catalog opens it in {Measure.Median(open):0} ms"));
    }
}
