namespace Cairn.TorchSharp.Build;

/// <summary>Where this system's libstdc++ is.</summary>
internal static class SystemLibrary
{
    private const string Name = "libstdc++.so.6";

    // .NET itself is written in C++: the loader has found the library already. Else the folders in which it looks.
    private static readonly string[] Folders =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib"];

    /// <summary>The file; <see langword="null"/> when it is not found.</summary>
    public static string? Find() => Loaded() ?? Folders.Select(folder => Path.Combine(folder, Name)).FirstOrDefault(File.Exists);

    private static string? Loaded()
    {
        try
        {
            return File.ReadLines("/proc/self/maps").Select(line => line.IndexOf('/') is >= 0 and int at ? line.Substring(at) : "")
                .FirstOrDefault(file => Path.GetFileName(file).StartsWith(Name, StringComparison.Ordinal) && File.Exists(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
