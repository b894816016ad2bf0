using System.Globalization;
using Cairn.Bench;
using Cairn.Peers;

// Cairn.Peers FOLDER [MiB] [rounds] [seconds of pause]
if (args is [ContenderProgram.Verb, var kind, var place, ..])
    return ContenderProgram.Run(kind, place, [.. args[3..].Select(count => long.Parse(count, CultureInfo.InvariantCulture))]);
if (args.Length == 0 || Environment.GetEnvironmentVariable("CAIRN_PYTHON") is not { Length: > 0 } python)
{
    Console.Error.WriteLine("Start this by bench/peers/run.sh: it needs a folder, and in CAIRN_PYTHON a Python that has PyTorch and safetensors.");
    return 2;
}
string folder = Path.Combine(Path.GetFullPath(args[0]), $"cairn-peers-{Environment.ProcessId}"), file = Path.Combine(Path.GetFullPath(args[0]), "peers.json");
long bytes = Argument(1, 1024) << 20;
int rounds = (int)Argument(2, 5);
TimeSpan pause = TimeSpan.FromSeconds(Argument(3, 4));
Directory.CreateDirectory(folder);
try
{
    using var peers = new PeerContest(folder, python, bytes, rounds, pause);
    IReadOnlyList<ResultGroup> groups = peers.Run(round => Console.Error.WriteLine(round == 0 ? "warmed up" : $"round {round} of {rounds}"));
    Console.WriteLine($"{peers.Bytes >> 20} MiB of float32 in {peers.Tensors} tensors, {rounds} rounds, {Environment.ProcessorCount} processors: {string.Join(", ", peers.Versions)}\n");
    foreach (ResultGroup group in groups)
        Console.WriteLine(group.ToMarkdown());
    Console.WriteLine("| copies that were read back | with the values of the time of the save |\n| --- | --- |");
    foreach ((string name, (int right, int asked)) in peers.Rights)
        Console.WriteLine($"| {name} | {right} of {asked} |");
    ResultFile.Write(file, groups, new
    {
        peers.Tensors,
        rounds,
        pauseSeconds = pause.TotalSeconds,
        peers.Versions,
        readBack = peers.Rights.Select(entry => new { name = entry.Key, entry.Value.Right, entry.Value.Asked }),
    });
    Console.Error.WriteLine(file);
}
finally
{
    Directory.Delete(folder, recursive: true);
}
return 0;

long Argument(int index, long otherwise) => args.Length > index ? long.Parse(args[index], CultureInfo.InvariantCulture) : otherwise;
