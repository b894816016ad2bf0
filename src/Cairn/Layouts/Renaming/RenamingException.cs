namespace Cairn.Layouts.Renaming;

/// <summary>What is wrong between rules and the tensors that they are given.</summary>
internal enum RenamingFault
{
    /// <summary>The file of rules is malformed.</summary>
    BadRules,
    /// <summary>No rule fits a name.</summary>
    NoRule,
    /// <summary>Two tensors get the same name.</summary>
    Collision,
    /// <summary>A rule joins several tensors, and one of them is not there.</summary>
    MissingInput,
    /// <summary>A tensor does not have the shape that its rule needs.</summary>
    WrongShape,
    /// <summary>A rule needs a number (of heads, for example) that is not known.</summary>
    MissingParameter,
    /// <summary>The entry that a rule fits is no tensor.</summary>
    NotATensor,
}

/// <summary>Tensors could not be renamed; <see cref="Fault"/> says why. Nothing was read or written.</summary>
internal sealed class RenamingException : CheckpointException
{
    internal RenamingException(RenamingFault fault, string message, IReadOnlyList<string> names, Exception? cause = null) : base(message, cause) => (Fault, Names) = (fault, names);

    /// <summary>What is wrong.</summary>
    public RenamingFault Fault { get; }
    /// <summary>The names concerned.</summary>
    public IReadOnlyList<string> Names { get; }

    internal static string List(IReadOnlyList<string> names)
    {
        const int Most = 10;
        return string.Join(", ", names.Take(Most)) + (names.Count > Most ? $" and {names.Count - Most} more" : "");
    }
}
