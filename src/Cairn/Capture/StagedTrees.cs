using Cairn.State;

namespace Cairn.Capture;

/// <summary>
/// The staged copies of the parts' trees. A part whose entries, types, shapes and ties are as they were gets the tree of the last capture again, with its tensors in the new memory and the
/// values of now, so that a training that saves often makes no tree, and plans no file, twice.
/// </summary>
internal sealed class StagedTrees
{
    private readonly Dictionary<string, CapturedPart> _last = new(StringComparer.Ordinal);
    // Of the capture under way: what a live tensor became, and which of the last capture's have been taken.
    private readonly Dictionary<StateTensor, StateTensor> _staged = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<StateTensor> _taken = new(ReferenceEqualityComparer.Instance);
    private StagingBuffer _buffer = null!;
    private IReadOnlyDictionary<StateTensor, long> _starts = null!;
    private bool _hasNewValues;

    /// <summary>The copies of some parts.</summary>
    /// <param name="parts">The parts.</param>
    /// <param name="buffer">Where their tensors are copied to. The capture before must have been disposed.</param>
    /// <param name="starts">Where in it each tensor begins.</param>
    public CapturedPart[] Of(IReadOnlyList<(string Name, StateMap Live)> parts, StagingBuffer buffer, IReadOnlyDictionary<StateTensor, long> starts)
    {
        (_buffer, _starts) = (buffer, starts);
        try
        {
            var copies = new CapturedPart[parts.Count];
            for (int i = 0; i < copies.Length; i++)
                copies[i] = Of(parts[i].Name, parts[i].Live);
            return copies;
        }
        finally
        {
            // No live tensor is kept, but the room in the tables is.
            _staged.Clear();
            _taken.Clear();
            (_buffer, _starts) = (null!, null!);
        }
    }

    private CapturedPart Of(string name, StateMap live)
    {
        _hasNewValues = false;
        if (!_last.TryGetValue(name, out CapturedPart? copy) || !IsRetaken(live, copy.State))
            copy = new CapturedPart(name, (StateMap)Copy(live), Revision: 0);
        else if (_hasNewValues)
            copy = copy with { Revision = copy.Revision + 1 };
        return _last[name] = copy;
    }

    // A tree that turns out to be another one halfway is dropped, and what was taken of it is used for the new one.
    private bool IsRetaken(StateNode live, StateNode last)
    {
        switch (live)
        {
            case StateMap map:
                if (last is not StateMap lastMap || map.Count != lastMap.Count)
                    return false;
                for (int i = 0; i < map.Count; i++)
                {
                    (string key, StateNode child) = map.At(i);
                    (string lastKey, StateNode lastChild) = lastMap.At(i);
                    if (!string.Equals(key, lastKey, StringComparison.Ordinal))
                        return false;
                    if (IsNewValue(child, lastChild))
                        lastMap.SetAt(i, child);
                    else if (!IsRetaken(child, lastChild))
                        return false;
                }
                return true;
            case StateList list:
                if (last is not StateList lastList || list.Count != lastList.Count)
                    return false;
                for (int i = 0; i < list.Count; i++)
                {
                    if (IsNewValue(list[i], lastList[i]))
                        lastList.SetAt(i, list[i]);
                    else if (!IsRetaken(list[i], lastList[i]))
                        return false;
                }
                return true;
            case StateTensor tensor:
                return last is StateTensor lastTensor && IsRetaken(tensor, lastTensor);
            default:
                return ReferenceEquals(live, last) || live is StateScalar scalar && last is StateScalar lastScalar && scalar.IsSame(lastScalar);
        }
    }

    private bool IsNewValue(StateNode live, StateNode last)
    {
        if (live is not StateScalar scalar || last is not StateScalar lastScalar || scalar.IsSame(lastScalar))
            return false;
        return _hasNewValues = true;
    }

    private bool IsRetaken(StateTensor live, StateTensor last)
    {
        if (_staged.TryGetValue(live, out StateTensor? staged))
            return ReferenceEquals(staged, last);
        if (live.Type != last.Type || live.IsFrozen != last.IsFrozen || !live.Sizes.SequenceEqual(last.Sizes) || !Equals((live as ShardTensor)?.Extent, (last as ShardTensor)?.Extent) || !_taken.Add(last))
            return false;
        ((StagedTensor)(last is ShardTensor shard ? shard.Local : last)).Place(_buffer, _starts[live]);
        _staged.Add(live, last);
        return true;
    }

    private StateNode Copy(StateNode node)
    {
        switch (node)
        {
            case StateMap map:
                var staged = new StateMap();
                for (int i = 0; i < map.Count; i++)
                {
                    (string key, StateNode child) = map.At(i);
                    staged.Add(key, Copy(child));
                }
                return staged;
            case StateList list:
                var items = new StateList();
                for (int i = 0; i < list.Count; i++)
                    items.Add(Copy(list[i]));
                return items;
            case StateTensor tensor:
                if (!_staged.TryGetValue(tensor, out StateTensor? copy))
                {
                    copy = new StagedTensor(tensor, _buffer, _starts[tensor]);
                    _staged.Add(tensor, copy = tensor is ShardTensor shard ? new ShardTensor(copy, shard.Extent) : copy);
                }
                return copy;
            default:
                return node;
        }
    }
}
