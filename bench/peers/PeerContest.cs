using Cairn.Bench;

namespace Cairn.Peers;

/// <summary>All contenders and what each of them does, group by group.</summary>
internal sealed class PeerContest : IDisposable
{
    private const string Saves = "durable save, the oldest of three copies deleted", Stalls = "asynchronous save: training waits", Asynchronous = "asynchronous save: durable, the oldest of three copies deleted";

    // As many as keep a disk busy; more gain nothing.
    private const int UnderWay = 4;

    private readonly string _folder, _python;
    private readonly long[] _elements;
    private readonly RawMemory _source, _destination;
    private readonly Contest _contest;
    private readonly List<ContenderProcess> _processes = [];
    private readonly Dictionary<string, (int Right, int Asked)> _rights = new(StringComparer.Ordinal);
    private bool _counts;

    public PeerContest(string folder, string python, long bytes, int rounds, TimeSpan pause)
    {
        (_folder, _python) = (folder, python);
        _elements = StateShape.Elements(bytes);
        Bytes = _elements.Sum() * sizeof(float);
        (_source, _destination) = (new RawMemory(Bytes), new RawMemory(Bytes));
        _contest = new Contest(rounds, pause);
    }

    /// <summary>Bytes of the state.</summary>
    public long Bytes { get; }

    /// <summary>Tensors of the state.</summary>
    public int Tensors => _elements.Length;

    /// <summary>The libraries that take part.</summary>
    public IEnumerable<string> Versions => _processes.Select(process => process.Version).Distinct(StringComparer.Ordinal);

    /// <summary>How many copies that were read back had the values that were to be saved, by who made them.</summary>
    public IReadOnlyDictionary<string, (int Right, int Asked)> Rights => _rights;

    public void Dispose()
    {
        _processes.ForEach(process => process.Dispose());
        _source.Dispose();
        _destination.Dispose();
    }

    public IReadOnlyList<ResultGroup> Run(Action<int> ended)
    {
        EnterLimits();
        EnterSynchronous(DotNet("cairn"), Role.Ours, "Cairn, AfterBatch");
        EnterAsynchronous(DotNet("cairn-async"), Role.Ours, "Cairn", "save-async");
        ContenderProcess resume = DotNet("cairn-resume");
        EnterLoad(resume, Role.Ours, "Cairn, resume with every hash verified", "load");
        EnterLoad(resume, Role.Ours, "Cairn, resume with VerifyHashes off", "load-unverified");
        Enter(Python("torch"), "torch.save", ("torch.load", "load"), ("torch.load, mmap=True", "load-mmap"));
        Enter(Python("safetensors"), "safetensors.torch.save_file", ("safetensors.torch.load_file", "load"));
        Enter(Python("dcp"), "DCP, save", ("DCP, load", "load"));
        ContenderProcess asynchronous = Python("dcp-async");
        EnterAsynchronous(asynchronous, Role.Peer, "DCP, async_save", "save-async");
        EnterAsynchronous(asynchronous, Role.Peer, "DCP, async_save of clones", "save-async-clone");
        Enter(DotNet("torchsharp"), "TorchSharp, Module.save", ("TorchSharp, Module.load", "load"));
        IReadOnlyList<ResultGroup> groups = _contest.Run(Bytes, round =>
        {
            _counts = true;
            ended(round);
        });
        return [.. groups.Select(group => group with { Results = [.. group.Results.Select(Judged)] })];
    }

    // A save of other values than those that were to be saved is fast for nothing.
    private Result Judged(Result result) =>
        _rights.TryGetValue(result.Name, out (int Right, int Asked) copies) && copies.Right < copies.Asked ? result with { Name = $"{result.Name} (wrong values in {copies.Asked - copies.Right} of {copies.Asked})" } : result;

    private static string Loads(bool isCold) => $"load into live parameters, {(isCold ? "cold" : "warm")}";

    private ContenderProcess Python(string kind) => Started(ContenderProcess.Python(_python, kind, _folder, _elements));

    private ContenderProcess DotNet(string kind) => Started(ContenderProcess.DotNet(kind, _folder, _elements));

    private ContenderProcess Started(ContenderProcess process)
    {
        _processes.Add(process);
        return process;
    }

    private void EnterLimits()
    {
        string raw = Path.Combine(_folder, "raw");
        foreach ((string name, bool isDirect, int threads) in new[] { ("write and fsync", false, 1), ("O_DIRECT write and fsync, 4 blocks of 8 MiB in flight", true, UnderWay) })
        {
            Measurement save = _contest.Measure(Saves, name, Role.Limit), durable = _contest.Measure(Asynchronous, name, Role.Limit);
            int copies = 0;
            _contest.Enter(() =>
            {
                string path = $"{raw}-{isDirect}-{++copies}";
                TimeSpan time = Bench.Measure.Time(() =>
                {
                    RawDisk.Write(path, _source, isDirect, threads);
                    RawDisk.Sync(path);
                    File.Delete($"{raw}-{isDirect}-{copies - 2}");
                });
                save.Add(time);
                durable.Add(time);
            });
        }
        foreach (int threads in new[] { 1, Environment.ProcessorCount }.Distinct())
            _contest.Enter(Stalls, threads == 1 ? "memcpy, 1 thread" : $"memcpy, {threads} threads", Role.Limit, () => Bench.Measure.Time(() => _source.CopyTo(_destination, threads)));
        RawDisk.Write(raw, _source, isDirect: false, threads: 1);
        foreach ((bool isCold, bool isDirect) in new[] { (false, false), (true, false), (true, true) })
        {
            _contest.Enter(Loads(isCold), $"{(isDirect ? "O_DIRECT read" : "read")}, 4 threads", Role.Limit, () =>
            {
                RawDisk.Forget(raw);
                if (!isCold)
                    RawDisk.Remember(raw);
                return Bench.Measure.Time(() => RawDisk.Read(raw, _destination, isDirect, UnderWay));
            });
        }
    }

    private void Enter(ContenderProcess process, string saves, params (string Name, string Operation)[] loads)
    {
        EnterSynchronous(process, Role.Peer, saves);
        // What is to be loaded.
        process.Ask("save");
        foreach ((string name, string operation) in loads)
            EnterLoad(process, Role.Peer, name, operation);
    }

    private void EnterSynchronous(ContenderProcess process, Role role, string name) =>
        _contest.Enter(Saves, name, role, () => TimeSpan.FromMilliseconds(process.Ask("save").Ms));

    private void EnterAsynchronous(ContenderProcess process, Role role, string name, string operation)
    {
        Measurement stall = _contest.Measure(Stalls, name, role), durable = _contest.Measure(Asynchronous, name, role);
        _contest.Enter(() =>
        {
            Answer answer = process.Ask(operation);
            stall.Add(TimeSpan.FromMilliseconds(answer.Stall!.Value));
            durable.Add(TimeSpan.FromMilliseconds(answer.Ms));
            Count(name, answer);
        });
    }

    private void EnterLoad(ContenderProcess process, Role role, string name, string operation)
    {
        foreach (bool isCold in (bool[])[false, true])
        {
            _contest.Enter(Loads(isCold), name, role, () =>
            {
                Answer answer = process.Load(operation, isCold);
                Count(name, answer);
                return TimeSpan.FromMilliseconds(answer.Ms);
            });
        }
    }

    private void Count(string name, Answer answer)
    {
        if (!_counts || answer.Right is not { } right)
            return;
        (int before, int asked) = _rights.GetValueOrDefault(name);
        _rights[name] = (before + (right ? 1 : 0), asked + 1);
    }
}
