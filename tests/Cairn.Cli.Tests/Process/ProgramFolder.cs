using System.Diagnostics;

namespace Cairn.Cli.Tests;

/// <summary>A folder with the program as <c>cairn</c>, for shells.</summary>
internal sealed class ProgramFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-shell-");

    public ProgramFolder()
    {
        string cairn = Path.Combine(_folder.FullName, "cairn");
        File.WriteAllText(cairn, $"#!/bin/sh\nexec dotnet {CairnProcess.Quoted(CairnProcess.Program)} \"$@\"\n");
        File.SetUnixFileMode(cairn, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
    }

    /// <summary>Lets a process find it.</summary>
    public void AddTo(ProcessStartInfo start) => start.Environment["PATH"] = _folder.FullName + ":" + Environment.GetEnvironmentVariable("PATH");

    public void Dispose() => _folder.Delete(recursive: true);
}
