using Cairn.State;

namespace Cairn.Stopping;

/// <summary>
/// Whether a batch is under way, by what is known for certain: what was said (<see cref="Begin"/>, <see cref="Abandon"/>), what was counted, and the marks of the parts
/// that have one. An exception that was raised somewhere says nothing. Belongs to the training thread.
/// </summary>
internal sealed class BatchWatch
{
    private readonly TrainState _train;
    private readonly IProgressMark[] _marks;
    private readonly ulong[] _atBoundary;
    private long _batch, _step, _begunAt;
    private bool _begun;
    private string? _broken;

    public BatchWatch(TrainState train, IEnumerable<IStatePart> parts)
    {
        _train = train;
        _marks = [.. parts.OfType<IProgressMark>()];
        _atBoundary = new ulong[_marks.Length];
        MarkBoundary();
    }

    /// <summary>The state is whole here.</summary>
    public void MarkBoundary()
    {
        (_batch, _step) = (_train.Batch, _train.Step);
        (_begun, _broken) = (false, null);
        RefreshMarks();
    }

    /// <summary>Reads the marks of the boundary anew, at the boundary.</summary>
    public void RefreshMarks()
    {
        for (int i = 0; i < _marks.Length; i++)
            _atBoundary[i] = MarkOf(i);
    }

    /// <summary>A batch begins.</summary>
    public void Begin() => (_begun, _begunAt) = (true, _train.Batch);

    /// <summary>Training is known to have ended in the middle of a batch.</summary>
    public void Abandon(string why) => _broken = why;

    /// <summary>Whether nothing has happened since the last boundary: the state is that boundary's.</summary>
    public bool IsAtBoundary => WhyUnfinished() is null;

    /// <summary>Whether a batch was counted since the last boundary.</summary>
    public bool HasCounted => _train.Batch != _batch;

    /// <summary>Whether the state was updated since the last boundary, as far as steps and marks tell.</summary>
    public bool HasUpdated => _train.Step != _step || HasMoved(static part => part.MarksUpdates);

    /// <summary>What happened since the last boundary, for one who leaves without a word; <see langword="null"/> when nothing did.</summary>
    public string? WhyUnfinished()
    {
        if (_broken is not null)
            return _broken;
        if (HasCounted)
            return $"batch {_train.Batch} was counted and AfterBatch was not called after it, so the state may be half updated";
        return _begun || HasMoved(static _ => true) ? BegunBatch : null;
    }

    /// <summary>Why the state may be half updated, for one who says that training is over; <see langword="null"/> when it is whole. A batch that was counted is finished.</summary>
    public string? WhyTorn()
    {
        if (_broken is not null)
            return _broken;
        if (_begun && _begunAt == _train.Batch)
            return BegunBatch;
        return !HasCounted && HasMoved(static part => part.MarksUpdates) ? BegunBatch : null;
    }

    /// <summary>Whether data was drawn that nothing was learned from.</summary>
    public bool HasDrawn => !HasCounted && HasMoved(static part => !part.MarksUpdates);

    private string BegunBatch => $"batch {_train.Batch + 1} was begun and AfterBatch was not called after it, so the state may be half updated";

    private bool HasMoved(Func<IProgressMark, bool> which)
    {
        for (int i = 0; i < _marks.Length; i++)
        {
            if (which(_marks[i]) && MarkOf(i) != _atBoundary[i])
                return true;
        }
        return false;
    }

    // What cannot be read any more did not move: whether it can be saved is for the save to find out.
    private ulong MarkOf(int index)
    {
        try
        {
            return _marks[index].ProgressMark;
        }
        catch (Exception)
        {
            return _atBoundary[index];
        }
    }
}
