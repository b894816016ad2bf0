using System.Buffers;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>The stack of the pickle machine, with its marks. Nothing is taken from below the last mark.</summary>
internal sealed class PickleStack(PickleSource source)
{
    private TorchValue[] _items = ArrayPool<TorchValue>.Shared.Rent(256);
    private int[] _marks = new int[16];
    private int _markCount;

    public int Count { get; private set; }
    private int Floor => _markCount == 0 ? 0 : _marks[_markCount - 1];
    public bool IsAtMark => _markCount > 0 && Count == Floor;
    public bool HasMarks => _markCount > 0;

    public void Push(TorchValue value)
    {
        if (Count == _items.Length)
            Grow();
        _items[Count++] = value;
    }

    public TorchValue Pop()
    {
        Require(1);
        return _items[--Count];
    }

    public TorchValue Top
    {
        get
        {
            Require(1);
            return _items[Count - 1];
        }
    }

    /// <summary>Takes the last few values, in order; valid until the next push.</summary>
    public ReadOnlySpan<TorchValue> PopMany(int count)
    {
        Require(count);
        Count -= count;
        return _items.AsSpan(Count, count);
    }

    public void Mark()
    {
        if (_markCount == _marks.Length)
            Array.Resize(ref _marks, checked(_markCount * 2));
        _marks[_markCount++] = Count;
    }

    /// <summary>Takes the values above the last mark, and the mark; valid until the next push.</summary>
    public ReadOnlySpan<TorchValue> PopMark()
    {
        if (_markCount == 0)
            throw source.Bad(TorchFault.Stack, $"the opcode before byte {source.Position} asks for a mark that was never set", "a mark", "none");
        int start = _marks[--_markCount];
        ReadOnlySpan<TorchValue> items = _items.AsSpan(start, Count - start);
        Count = start;
        return items;
    }

    private void Grow()
    {
        TorchValue[] larger = ArrayPool<TorchValue>.Shared.Rent(checked(Count * 2));
        _items.AsSpan(0, Count).CopyTo(larger);
        Release();
        _items = larger;
    }

    /// <summary>Gives the memory back. Nothing of it may be used any more.</summary>
    public void Release()
    {
        ArrayPool<TorchValue>.Shared.Return(_items, clearArray: true);
        _items = [];
    }

    private void Require(int count)
    {
        if (Count - Floor < count)
            throw source.Bad(TorchFault.Stack, $"the opcode before byte {source.Position} takes from an empty stack", $"{count} values", $"{Count - Floor}");
    }
}
