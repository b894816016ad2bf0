namespace Cairn.Formats.Torch.Distributed.Writing;

/// <summary>A tensor or another value of a state, with the name by which a distributed checkpoint knows it.</summary>
/// <param name="Name">Its flat name: the path joined by points.</param>
/// <param name="Path">The keys (<see cref="string"/>) and list indexes (<see cref="long"/>) that lead to it.</param>
/// <param name="Value">The value.</param>
internal sealed record FlatValue(string Name, IReadOnlyList<object> Path, TorchValue Value);
