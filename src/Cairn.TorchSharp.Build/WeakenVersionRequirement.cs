using Microsoft.Build.Framework;

namespace Cairn.TorchSharp.Build;

/// <summary>Makes a copy of a native library that a system without one version of libstdc++ loads, where this system is such a one. The library itself is not touched.</summary>
public sealed class WeakenVersionRequirement : Microsoft.Build.Utilities.Task
{
    // A build takes files of one size and time for the same: the copy must replace the library in an output folder, and the other way round.
    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(2);

    /// <summary>The library.</summary>
    [Required]
    public string Source { get; set; } = "";

    /// <summary>Where its copy goes. One that is there and was made of this library is not made again.</summary>
    [Required]
    public string Destination { get; set; } = "";

    /// <summary>The version that the copy asks for no more.</summary>
    [Required]
    public string Requirement { get; set; } = "";

    /// <summary><c>auto</c>: where this system's libstdc++ lacks the version; <c>always</c>: wherever the program may be run.</summary>
    [Required]
    public string When { get; set; } = "";

    /// <summary>The library to use: the copy, or the library itself where no copy is needed.</summary>
    [Output]
    public string Library { get; set; } = "";

    /// <inheritdoc/>
    public override bool Execute()
    {
        Library = Source;
        if (When is not ("auto" or "always"))
        {
            Log.LogError("CairnWeakenTorchSharp is '{0}'; it must be auto, always or never.", When);
            return false;
        }
        try
        {
            if ((When == "always" || SystemLacksIt()) && Make())
                Library = Destination;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.LogError(
                "{0} asks for {1} of libstdc++, and no copy that does without could be written to {2}: {3} Set the property CairnWeakenTorchSharp to never to build without it.",
                Source, Requirement, Destination, e.Message);
        }
        return !Log.HasLoggedErrors;
    }

    private bool SystemLacksIt() => SystemLibrary.Find() is not { } file || !ElfVersions.Names(File.ReadAllBytes(file), Requirement);

    private bool Make()
    {
        var source = new FileInfo(Source);
        var made = new FileInfo(Destination);
        DateTime time = source.LastWriteTimeUtc + Apart;
        if (made.Exists && made.Length == source.Length && made.LastWriteTimeUtc == time)
            return true;

        byte[] elf = File.ReadAllBytes(Source);
        if (ElfVersions.Weaken(elf, Requirement) == 0)
        {
            Log.LogMessage(MessageImportance.Low, "{0} does not ask for {1}.", Source, Requirement);
            return false;
        }
        Directory.CreateDirectory(made.DirectoryName!);
        string temporary = $"{Destination}.{Guid.NewGuid():N}";
        try
        {
            File.WriteAllBytes(temporary, elf);
            File.SetLastWriteTimeUtc(temporary, time);
            // The old one may be linked into output folders, where programs run with it: it is replaced, not written to.
            if (made.Exists)
                made.Delete();
            File.Move(temporary, Destination);
        }
        finally
        {
            File.Delete(temporary);
        }
        Log.LogMessage(MessageImportance.Normal, "{0} asks for {1} of libstdc++, which this system may lack; {2} does without.", Source, Requirement, Destination);
        return true;
    }
}
