using System.Diagnostics;

namespace Cairn.Tests.Stores;

/// <summary>A file system that is mounted for a test. Needs the right to mount; where it is missing the test fails on a build server and is left out elsewhere.</summary>
internal sealed class Mounted : IDisposable
{
    private readonly string _path;

    private Mounted(string path, params string[] arguments)
    {
        _path = path;
        if (OperatingSystem.IsLinux() && Run("mount", [.. arguments, path]) == 0)
            return;
        string why = $"mount {string.Join(' ', arguments)} is not possible here. Run the tests as root on Linux: sudo ./test.sh";
        if (Environment.GetEnvironmentVariable("CI") == "true")
            Assert.Fail(why);
        Assert.Skip(why);
    }

    /// <summary>A small file system in memory.</summary>
    public static Mounted Tmpfs(string path, long bytes) => new(path, "-t", "tmpfs", "-o", $"size={bytes}", "tmpfs");

    /// <summary>An overlay, as containers have it: what stands in <paramref name="lower"/> is seen, and what is written goes to <paramref name="upper"/>.</summary>
    public static Mounted Overlay(string path, string lower, string upper, string work) =>
        new(path, "-t", "overlay", "-o", $"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off", "overlay");

    // Lazily: a process that another test is starting holds every open file of this one until it runs its own program, and the mount with it.
    public void Dispose() => Run("umount", "--lazy", _path).ShouldBe(0);

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode;
    }
}
