namespace Cairn.Bench;

/// <summary>Contenders in random order, each once a round, with pauses, so that what one leaves to the disk or to the machine is not always paid for by the same other.</summary>
internal sealed class Contest(int rounds, TimeSpan pause)
{
    private readonly List<Action> _contenders = [];
    private readonly List<Measurement> _measurements = [];

    /// <summary>One who takes part, with a measurement of its own.</summary>
    /// <param name="group">What is compared.</param>
    /// <param name="name">Who does it.</param>
    /// <param name="role">What it stands for.</param>
    /// <param name="run">Does it, and says how long it took.</param>
    public void Enter(string group, string name, Role role, Func<TimeSpan> run)
    {
        Measurement measured = Measure(group, name, role);
        Enter(() => measured.Add(run()));
    }

    /// <summary>One who takes part, and adds to measurements itself.</summary>
    public void Enter(Action run) => _contenders.Add(run);

    /// <summary>A measurement that one who takes part adds to.</summary>
    public Measurement Measure(string group, string name, Role role)
    {
        var measured = new Measurement(group, name, role);
        _measurements.Add(measured);
        return measured;
    }

    /// <summary>Runs all rounds after one to warm up, which does not count.</summary>
    /// <param name="bytes">What each moves.</param>
    /// <param name="ended">Told of each round that ended.</param>
    public IReadOnlyList<ResultGroup> Run(long bytes, Action<int>? ended = null)
    {
        var random = new Random(1);
        using var never = new ManualResetEventSlim();
        Action[] order = [.. _contenders];
        for (int round = 0; round <= rounds; round++)
        {
            random.Shuffle(order);
            foreach (Action contender in order)
            {
                never.Wait(pause);
                contender();
            }
            if (round == 0)
                _measurements.ForEach(measured => measured.Forget());
            ended?.Invoke(round);
        }
        return [.. _measurements.GroupBy(measured => measured.Group, StringComparer.Ordinal).Select(group => new ResultGroup(group.Key, bytes, [.. group.Select(measured => measured.Result())]))];
    }
}

/// <summary>What a contender stands for.</summary>
internal enum Role
{
    /// <summary>What the machine can do.</summary>
    Limit,
    /// <summary>Cairn. The first of a group is the one that peers are compared with.</summary>
    Ours,
    /// <summary>Another library.</summary>
    Peer,
}

/// <summary>The times of one contender.</summary>
internal sealed class Measurement(string group, string name, Role role)
{
    private readonly List<double> _milliseconds = [];

    public string Group => group;

    public void Add(TimeSpan time) => _milliseconds.Add(time.TotalMilliseconds);

    public void Forget() => _milliseconds.Clear();

    public Result Result() => new(name, role, [.. _milliseconds]);
}
