using Cairn.State;

namespace Cairn.TorchSharp;

/// <summary>What this rank's optimizer holds of a parameter that several ranks share.</summary>
/// <param name="Name">The name that the parameter has on all ranks.</param>
/// <param name="Extent">Which elements of the whole parameter they are.</param>
public sealed record ParameterShard(string Name, ShardExtent Extent);
