using Cairn.Checkpoints;

namespace Cairn.Cli.Verbs;

/// <summary>A tensor in <c>cairn show</c>: how many shards in the files it is put together from, and the first name where it has several.</summary>
internal sealed record ShowTensor(string Part, string Name, string Dtype, IReadOnlyList<long> Shape, long Bytes, int Shards, string? TiedTo);

/// <summary>A part in <c>cairn show</c>: the files that it is read from, the ranks that have a state of it of their own, and why it could not be read.</summary>
internal sealed record ShowPart(string Name, IReadOnlyList<string> Files, long Bytes, int Tensors, int Values, IReadOnlyList<int>? Ranks, string? Fault = null);

/// <summary>Values under a name's first components.</summary>
internal sealed record ShowPrefix(string Prefix, int Tensors, long Parameters);

/// <summary>The result of <c>cairn show</c>. What only Cairn records is absent for others. Parameters are counted of one part. Notes say what is not as it seems. More counters than <c>train</c> has are counted by <c>train_more</c>; <c>--values</c> lists them.</summary>
internal sealed record ShowResult(
    string Path, string Layout, long? Step, string? Kind, string? Reason, DateTimeOffset? Time, string? Run, string? Branch, long? Parent, World? World,
    IReadOnlyDictionary<string, string> Train, long? TrainMore, IReadOnlyList<ShowPart> Parts, IReadOnlyList<ShowTensor> Tensors,
    string? ParametersOf, IReadOnlyList<ShowPrefix> Prefixes, long Parameters, IReadOnlyList<string> OtherFiles, IReadOnlyList<string> Notes);
