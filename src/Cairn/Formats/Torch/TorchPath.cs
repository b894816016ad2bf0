using System.Globalization;

namespace Cairn.Formats.Torch;

/// <summary>Where a walk over a tree of values stands: keys and indexes from the root, joined by <c>/</c>. It bounds the depth.</summary>
internal sealed class TorchPath
{
    /// <summary>More levels than any state has, few enough for a small stack, and fewer than a reader takes.</summary>
    public const int MaxDepth = 500;

    /// <summary>The place of the root.</summary>
    public const string Root = "the root";

    private readonly List<string> _steps = [];

    /// <summary>Levels below the root.</summary>
    public int Depth => _steps.Count;

    public void Push(TorchValue key) => Push(key.ToString()!);

    public void Push(int index) => Push(index.ToString(CultureInfo.InvariantCulture));

    public void Push(string step)
    {
        if (_steps.Count == MaxDepth)
            throw new ArgumentException($"A value is nested deeper than {MaxDepth} levels, at '{string.Join('/', _steps.Take(8))}/…'.", nameof(step));
        _steps.Add(step);
    }

    public void Pop() => _steps.RemoveAt(_steps.Count - 1);

    /// <summary>The error of a value at this place.</summary>
    public ArgumentException Refuse(string what) => Error($"At '{this}' {what}.");

    private static ArgumentException Error(string message, string? root = null) => new(message, nameof(root));

    // Keys of a hostile file may be as long as the file.
    public override string ToString() => _steps.Count == 0 ? Root
        : CorruptTorchFileException.Shorten(string.Join('/', _steps.Select(CorruptTorchFileException.Shorten)));
}
