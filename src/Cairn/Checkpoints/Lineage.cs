namespace Cairn.Checkpoints;

/// <summary>One line of a run's history: where it left the line before it.</summary>
/// <param name="Id">Number of the branch; 0 is the run's first, each new one is higher than all before.</param>
/// <param name="Name">The name that the user gave, or that of the branch it came from.</param>
/// <param name="Parent">The branch it left; <see langword="null"/> for the first.</param>
/// <param name="ForkStep">The step at which it left: steps of the parent up to and including this one belong to it as well.</param>
public sealed record Branch(int Id, string Name, int? Parent, long ForkStep);

/// <summary>
/// The branches of a run and the one it is on. A checkpoint belongs to the line when its branch is the current one, or
/// when an ancestor wrote it no later than the step at which the line left that ancestor.
/// </summary>
internal sealed class Lineage
{
    private readonly Dictionary<int, Branch> _branches;

    /// <summary>A history that ends at the branch <paramref name="current"/>.</summary>
    /// <exception cref="ArgumentException">A branch is missing, stands twice, or is its own ancestor.</exception>
    public Lineage(IEnumerable<Branch> branches, int current)
    {
        _branches = [];
        foreach (Branch branch in branches)
        {
            if (!_branches.TryAdd(branch.Id, branch))
                throw new ArgumentException($"Branch {branch.Id} stands twice.", nameof(branches));
            if (branch.Parent >= branch.Id)
                throw new ArgumentException($"Branch {branch.Id} cannot come from branch {branch.Parent}, which is not older.", nameof(branches));
        }
        foreach (Branch branch in _branches.Values)
        {
            if (branch.Parent is { } parent && !_branches.ContainsKey(parent))
                throw new ArgumentException($"Branch {branch.Id} comes from branch {parent}, which is not there.", nameof(branches));
        }
        Current = _branches.TryGetValue(current, out Branch? found)
            ? found
            : throw new ArgumentException($"The current branch {current} is not there.", nameof(current));
    }

    /// <summary>The history of a new run: one branch called <c>main</c>.</summary>
    public static Lineage New { get; } = new([new Branch(0, "main", null, 0)], 0);

    /// <summary>The branch that is being trained.</summary>
    public Branch Current { get; }

    /// <summary>All branches, oldest first.</summary>
    public IEnumerable<Branch> Branches => _branches.Values.OrderBy(branch => branch.Id);

    /// <summary>Whether a checkpoint of this branch and step belongs to the line that is being trained.</summary>
    public bool Contains(int branch, long step)
    {
        long last = long.MaxValue;
        for (Branch? line = Current; line is not null; line = line.Parent is { } parent ? _branches[parent] : null)
        {
            if (line.Id == branch)
                return step <= last;
            last = Math.Min(last, line.ForkStep);
        }
        return false;
    }

    /// <summary>The history after leaving the current line at a step of it.</summary>
    public Lineage Fork(long step, string? name = null)
    {
        // A step before the current branch began belongs to an ancestor: the new branch leaves that one.
        Branch parent = Current;
        while (parent.Parent is { } older && step <= parent.ForkStep)
            parent = _branches[older];
        var branch = new Branch(_branches.Keys.Max() + 1, name ?? Current.Name, parent.Id, step);
        return new Lineage([.. _branches.Values, branch], branch.Id);
    }
}
