using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Layouts;

/// <summary>What stands at a path: a run, a checkpoint's folder or a file.</summary>
internal enum SourceKind
{
    /// <summary>A run's folder; opened is what a restart of it would take.</summary>
    Run,
    /// <summary>The folder of one checkpoint or model.</summary>
    Checkpoint,
    /// <summary>One file.</summary>
    File,
}

/// <summary>What <see cref="CheckpointReader"/> found at a path.</summary>
/// <param name="Layout">The layout's name: <c>cairn</c>, <c>internlm</c>, <c>huggingface</c>, <c>torch</c>, <c>dcp</c>, <c>dcp-safetensors</c>, <c>xtuner</c>, <c>deepspeed</c>, <c>megatron</c> or <c>safetensors</c>.</param>
/// <param name="Kind">Run, checkpoint or file.</param>
/// <param name="Files">The file system that it is in.</param>
/// <param name="Path">Where it is in <paramref name="Files"/>; empty for the root.</param>
internal sealed record CheckpointSource(string Layout, SourceKind Kind, IFileSource Files, string Path)
{
    /// <summary>The step, where it is known.</summary>
    public long? Step { get; init; }
    /// <summary>The marker, where there is one of Cairn.</summary>
    public Marker? Marker { get; init; }

    /// <summary>The path as a person would write it, for messages.</summary>
    public string FullPath => Path.Length == 0 ? Files.Root : $"{Files.Root.TrimEnd('/')}/{Path}";
}
