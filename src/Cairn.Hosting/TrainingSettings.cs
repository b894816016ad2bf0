namespace Cairn.Hosting;

/// <summary>How the one training of a host is run.</summary>
/// <param name="StopHostAtEnd">Whether the host stops when training ends by itself.</param>
internal sealed record TrainingSettings(bool StopHostAtEnd);
