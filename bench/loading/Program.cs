using System.Diagnostics;
using System.Globalization;
using Cairn.Bench;
using Cairn.Loading;
using Cairn.Opening;
using Cairn.Peers;
using Cairn.TorchSharp;

// loading [folder] [MiB] [rounds]: LoadWeights of a warm file against the raw read of the same files into the same tensors.
const string Last = "m.safetensors";
string folder = Path.Combine(args.Length > 0 ? args[0] : Path.GetTempPath(), "cairn-loading-" + Environment.ProcessId);
long bytes = (args.Length > 1 ? long.Parse(args[1], null) : 1024) << 20;
int rounds = args.Length > 2 ? int.Parse(args[2], null) : 7;
Directory.CreateDirectory(folder);
try
{
    Console.WriteLine($"{bytes >> 20} MiB, {Environment.ProcessorCount} processors, {rounds} rounds, {folder}");
    foreach ((string shape, long[] elements) in ((string, long[])[])
        [("40 tensors", StateShape.Elements(bytes)), ("tensors of 1 MiB", [.. Enumerable.Repeat(1L << 18, (int)(bytes >> 20))])])
    {
        using var module = new StateModule(elements);
        UInt128 digest = module.Digest();
        foreach ((string kind, string name, SaveWeightsOptions options) in ((string, string, SaveWeightsOptions)[])
        [
            (".pt", "m.pt", new()), ("Lightning", "m.ckpt.pt", new() { Key = "state_dict" }), ("Trainer, 4 shards", "checkpoint-5", new() { MaxShardBytes = bytes / 4 }),
            ("distributed, 4 ranks", "ranks", new() { Ranks = 4 }), (".safetensors", Last, new()),
        ])
        {
            string path = Path.Combine(folder, name);
            string[] raw = [.. module.SaveWeights(path, options).Where(file => new FileInfo(file).Length > bytes / 8)];
            if (name == "checkpoint-5")
                File.WriteAllText(Path.Combine(path, "trainer_state.json"), """{"global_step": 5}""");
            module.Clear();
            double first = Measure.Time(() => module.LoadWeights(path)).TotalMilliseconds;
            if (module.Digest() != digest)
                throw new InvalidOperationException($"{kind} was not loaded as it was saved");
            long before = GC.GetTotalAllocatedBytes(precise: true);
            module.LoadWeights(path);
            long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
            double limit = double.MaxValue, ours = double.MaxValue, opened = double.MaxValue, mapped = double.MaxValue;
            for (int round = 0; round < rounds; round++)
                Best(ref opened, () => CheckpointReader.Open(path).Dispose());
            Measure.Compare($"{kind}, {shape}", bytes, rounds, () => Best(ref limit, () => RawRead.Into(module, raw)), () => Best(ref ours, () => module.LoadWeights(path)));
            long resident = Process.GetCurrentProcess().PeakWorkingSet64 >> 20;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"    best: ours {ours:0.0} ms, limit {limit:0.0} ms, speed {limit / ours:0%}; opened in {opened:0.0} ms; the first load {first:0.0} ms; {allocated:N0} bytes allocated; at most {resident} MiB resident"));
            // It leaves the module with other memory than its own.
            for (int round = 0; name == Last && round < rounds; round++)
                Best(ref mapped, () => module.LoadWeights(path, new LoadWeightsOptions { Mapped = true }));
            if (name == Last)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    mapped in {mapped:0.0} ms"));
            foreach (string entry in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
                File.Delete(entry);
        }
    }
}
finally
{
    Directory.Delete(folder, recursive: true);
}

// On a machine that others use, the best of many rounds says most.
static TimeSpan Best(ref double best, Action action)
{
    TimeSpan time = Measure.Time(action);
    best = Math.Min(best, time.TotalMilliseconds);
    return time;
}
