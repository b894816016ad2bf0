using System.Diagnostics;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Cairn.Bench;
using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;

// bench [folder] [MiB] [rounds] [stall|scan|save|load|torch|inspect|catalog|scale|ranks]...
// bench limits FOLDER [rounds] [MiB]...
// bench store ADDRESS [rounds] [MiB]...
if (args is [RankStall.Verb, ..])
    return RankStall.RunRank(args[1], long.Parse(args[2], null), int.Parse(args[3], null));
if (args is [Limits.Verb, var disk, ..])
    return Limits.Run(disk, args.Length > 2 ? int.Parse(args[2], null) : 5, args.Length > 3 ? [.. args[3..].Select(size => long.Parse(size, null))] : [64, 256, 1024, 4096], MarkerOf);
if (args is [StoreTransfers.Verb, var place, ..])
    return StoreTransfers.Run(place, args.Length > 2 ? int.Parse(args[2], null) : 5, args.Length > 3 ? [.. args[3..].Select(size => long.Parse(size, null))] : [256, 1024], MarkerOf);
if (args is [TierStalls.Verb, var store, var local, var fast, ..])
    return await TierStalls.RunAsync(store, local, fast, (args.Length > 4 ? long.Parse(args[4], null) : 256) << 20, args.Length > 5 ? int.Parse(args[5], null) : 5);
string folder = Path.Combine(args.Length > 0 ? args[0] : Path.GetTempPath(), "cairn-bench-" + Environment.ProcessId);
long bytes = (args.Length > 1 ? long.Parse(args[1], null) : 512) << 20;
int rounds = args.Length > 2 ? int.Parse(args[2], null) : 5;
const int Block = 8 << 20;
Directory.CreateDirectory(folder);
try
{
    using var state = new LargeState(bytes);
    Console.WriteLine($"{state.Bytes >> 20} MiB in {state.Tensors.Count} tensors, {Environment.ProcessorCount} processors, {rounds} rounds, {folder}");
    var torchFiles = new TorchFiles(state, folder, rounds);
    (string Name, Action Run)[] all =
    [
        ("stall", Stall), ("stall", Allocations), ("scan", Scan), ("save", () => Writes(SaveKind.Checkpoint)), ("save", () => Writes(SaveKind.Snapshot)),
        ("load", Load), ("torch", torchFiles.Write), ("torch", torchFiles.ReadMapped), ("inspect", new Inspections(state, folder, rounds, Forget).Run), ("catalog", CatalogOfMany),
        ("scale", () => LargeJobPlan.Run(folder, rounds)), ("ranks", () => RankStall.Run(folder, bytes, rounds)),
    ];
    foreach ((string name, Action run) in all)
    {
        if (args.Length <= 3 || args.Skip(3).Contains(name, StringComparer.Ordinal))
            run();
    }

    void Stall()
    {
        using var pool = new StagingPool();
        var capture = new StateCapture(pool);
        using var copy = new LargeState(bytes, seed: 2);
        Measure.Compare("stall: capture against memcpy", state.Bytes, rounds * 3,
            () => Measure.Time(() => ParallelCopy(state, copy)),
            () =>
            {
                CapturedState? captured = null;
                TimeSpan time = Measure.Time(() => captured = capture.Capture([("model", state.Model)]));
                captured!.Dispose();
                return time;
            });
    }

    void Allocations()
    {
        using var pool = new StagingPool();
        var capture = new StateCapture(pool);
        capture.Capture([("model", state.Model)]).Dispose();
        long before = GC.GetTotalAllocatedBytes(precise: true), native = pool.Capacity;
        capture.Capture([("model", state.Model)]).Dispose();
        Console.WriteLine($"{"second capture allocates",-44} {GC.GetTotalAllocatedBytes(precise: true) - before} managed bytes, {pool.Capacity - native} native bytes");
    }

    void Scan()
    {
        var hash = new XxHash128();
        Measure.Compare("hash and scan against reading memory", state.Bytes, rounds,
            () => Measure.Time(() => Each(block => Sum(block))),
            () => Measure.Time(() => Each(block =>
            {
                hash.Append(block);
                NonFinite.IsIn(block, TensorType.F32);
            })));
    }

    void Load()
    {
        var files = new LocalFileSystem(Path.Combine(folder, "load"));
        files.CreateFolder("");
        new CommitProtocol(files).Save(MarkerOf(SaveKind.Checkpoint, 1), CairnLayout.Plan([("model", state.Model)]), refuseNonFinite: true);
        string path = Path.Combine(files.Root, "1", "model_tp0_pp0.safetensors");
        using var target = new LargeState(bytes, seed: 3);
        using var raw = new RawMemory(new FileInfo(path).Length);
        foreach (bool cold in (bool[])[false, true])
        {
            Measure.Compare($"load into tensors, {(cold ? "cold" : "warm")}, against raw read", state.Bytes, rounds,
                () =>
                {
                    Forget(cold);
                    return Measure.Time(() => RawDisk.Read(path, raw, isDirect: false, threads: 4));
                },
                () =>
                {
                    Forget(cold);
                    return Measure.Time(() => VerifiedLoad.Fill(files, target));
                });
            Measure.Compare($"verify and load, {(cold ? "cold" : "warm")}, against raw read", state.Bytes, rounds,
                () =>
                {
                    Forget(cold);
                    return Measure.Time(() => RawDisk.Read(path, raw, isDirect: false, threads: 4));
                },
                () =>
                {
                    Forget(cold);
                    return Measure.Time(() => VerifiedLoad.Run(files, target));
                });
        }
    }

    void CatalogOfMany()
    {
        const int Many = 10_000;
        var files = new LocalFileSystem(Path.Combine(folder, "many"));
        for (int step = 1; step <= Many; step++)
        {
            files.CreateFolder(RunFolder.Checkpoint(step));
            files.Append($"{RunFolder.Checkpoint(step)}/{Marker.FileName(step)}", MarkerOf(SaveKind.Checkpoint, step).ToBytes(), durable: false);
        }
        double[] open = new double[rounds], inspect = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            Catalog catalog = null!;
            open[round] = Measure.Time(() => _ = (catalog = Catalog.Read(files)).Entries[0].Marker).TotalMilliseconds;
            inspect[round] = Measure.Time(() =>
            {
                if (catalog.Entries.Count(entry => entry.Marker is not null) != Many)
                    throw new InvalidOperationException("A marker was not read");
            }).TotalMilliseconds;
        }
        Console.WriteLine($"{"catalog of 10,000 checkpoints",-44} open, newest marker read: {Measure.Median(open):0.0} ms; all markers read: {Measure.Median(inspect):0.0} ms");
    }

    void Each(Action<ReadOnlySpan<byte>> visit)
    {
        foreach (NativeTensor tensor in state.Tensors)
        {
            for (long at = 0; at < tensor.ByteLength; at += Block)
                visit(tensor.Span(at, (int)Math.Min(Block, tensor.ByteLength - at)));
        }
    }

    void Writes(SaveKind kind)
    {
        foreach (ResultGroup group in new DurableWrites(folder, kind, MarkerOf).Compare(state, rounds))
            Console.WriteLine(group.ToMarkdown());
    }
}
finally
{
    Directory.Delete(folder, recursive: true);
}
return 0;

static Marker MarkerOf(SaveKind kind, long step) => new()
{
    Step = step,
    Kind = kind,
    Reason = SaveReason.Manual,
    Run = "bench",
    Lineage = Lineage.New,
    Time = DateTimeOffset.UnixEpoch,
    Train = [],
    Files = [],
};

static void ParallelCopy(LargeState from, LargeState to)
{
    const int Chunk = 4 << 20;
    List<(NativeTensor From, NativeTensor To, long At)> chunks = [];
    for (int i = 0; i < from.Tensors.Count; i++)
    {
        for (long at = 0; at < from.Tensors[i].ByteLength; at += Chunk)
            chunks.Add((from.Tensors[i], to.Tensors[i], at));
    }
    Parallel.ForEach(chunks, chunk =>
    {
        int length = (int)Math.Min(Chunk, chunk.From.ByteLength - chunk.At);
        chunk.From.Span(chunk.At, length).CopyTo(chunk.To.Span(chunk.At, length));
    });
}

static ulong Sum(ReadOnlySpan<byte> block)
{
    var total = System.Numerics.Vector<ulong>.Zero;
    foreach (System.Numerics.Vector<ulong> value in MemoryMarshal.Cast<byte, System.Numerics.Vector<ulong>>(block))
        total += value;
    return total[0];
}

// Drops the page cache; needs root, and is left out where it is not allowed.
static void Forget(bool cold)
{
    if (!cold)
        return;
    using Process sync = Process.Start("sync");
    sync.WaitForExit();
    File.WriteAllText("/proc/sys/vm/drop_caches", "1");
}
