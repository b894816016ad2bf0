using System.Runtime.InteropServices;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>What a pickle remembers by number. Picklers count up from 0 or 1; a number out of order costs an entry and not an array up to it.</summary>
internal sealed class PickleMemo(PickleSource source)
{
    private readonly List<TorchValue?> _dense = [];
    private Dictionary<long, TorchValue>? _sparse;

    public int Count => _dense.Count + (_sparse?.Count ?? 0);

    public void Put(long number, TorchValue value)
    {
        if (number < 0)
            throw source.Bad(TorchFault.Stack, "a number of the memo is negative", "0 or more", $"{number}");
        // Python 2 counted from 1.
        if (number == 1 && _dense.Count == 0)
            _dense.Add(null);
        if (number == _dense.Count)
            _dense.Add(value);
        else if (number < _dense.Count)
            CollectionsMarshal.AsSpan(_dense)[(int)number] = value;
        else
            (_sparse ??= [])[number] = value;
    }

    public TorchValue Get(long number)
    {
        if (number >= 0 && number < _dense.Count && _dense[(int)number] is TorchValue dense)
            return dense;
        return _sparse is not null && _sparse.TryGetValue(number, out TorchValue? value) ? value
            : throw source.Bad(TorchFault.Stack, "the pickle reads from its memo what it never wrote", $"a number that was written, at byte {source.Position}", $"{number}");
    }
}
