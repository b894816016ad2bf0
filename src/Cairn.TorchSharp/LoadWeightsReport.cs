using System.Text;

namespace Cairn.TorchSharp;

/// <summary>What <see cref="ModuleWeights.LoadWeights"/> did.</summary>
public sealed class LoadWeightsReport
{
    internal LoadWeightsReport(string source) => Source = source;

    /// <summary>What was read.</summary>
    public string Source { get; }
    /// <summary>The module's names whose values came from the source, those of tied weights each.</summary>
    public IReadOnlyList<string> Loaded { get; internal set; } = [];
    /// <summary>The module's names that the source lacks; they are as before.</summary>
    public IReadOnlyList<string> Missing { get; internal set; } = [];
    /// <summary>The source's names, after renaming, that the module lacks.</summary>
    public IReadOnlyList<string> Unexpected { get; internal set; } = [];
    /// <summary>The module's names that <see cref="LoadWeightsOptions.Take"/> and <see cref="LoadWeightsOptions.Leave"/> left as they are.</summary>
    public IReadOnlyList<string> Left { get; internal set; } = [];
    /// <summary>What was rounded or widened to the module's type; see <see cref="LoadWeightsOptions.Cast"/>.</summary>
    public IReadOnlyList<CastWeight> Cast { get; internal set; } = [];
    /// <summary>What is as before because its shape is another; see <see cref="LoadWeightsOptions.IgnoreMismatched"/>.</summary>
    public IReadOnlyList<string> Mismatched { get; internal set; } = [];
    /// <summary>What else should be known, such as a prefix that was taken off; each one sentence without its full stop.</summary>
    public IReadOnlyList<string> Notes { get; internal set; } = [];
    /// <summary>Bytes that were written into the module.</summary>
    public long Bytes { get; internal set; }
    /// <summary>Bytes that were not read, because the module uses them where they lie in the file; see <see cref="LoadWeightsOptions.Mapped"/>.</summary>
    public long MappedBytes { get; internal set; }

    /// <summary>One line of what happened, and one more for each thing that is not as it was saved.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"{Loaded.Count} tensors loaded from {Source}{(MappedBytes > 0 ? $", {MappedBytes:N0} bytes mapped and {Bytes:N0} read" : "")}");
        Add("left as they are", Left);
        Add("missing in the source", Missing);
        Add("unexpected in the source", Unexpected);
        Add("cast", [.. Cast.Select(cast => cast.ToString())]);
        Add("of another shape, left as they are", Mismatched);
        foreach (string note in Notes)
            text.Append('\n').Append(note);
        return text.ToString();

        void Add(string what, IReadOnlyList<string> names)
        {
            if (names.Count > 0)
                text.Append('\n').Append($"{names.Count} {what}: {Few(names)}");
        }
    }

    internal static string Few(IReadOnlyList<string> names)
    {
        const int Most = 20;
        return string.Join(", ", names.Take(Most)) + (names.Count > Most ? $" and {names.Count - Most} more" : "");
    }
}
