using System.Diagnostics;
using System.Text;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>When a file is overwritten in place, and when a new one takes its name.</summary>
public sealed class OverwritingTests : IDisposable
{
    readonly TemporaryFolder _folder = new();
    readonly LocalFileSystem _files;

    public OverwritingTests() => _files = new LocalFileSystem(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_that_nobody_else_sees_is_overwritten_in_place()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux can tell.");
        // A process that another test is starting sees the open files of this one until it runs its own program.
        SpinWait.SpinUntil(() =>
        {
            Write("a", "old bytes");
            FileStatus before = FileStatus.At(_folder["a"])!.Value;
            bool can = _files.CanOverwrite("a");
            Write("a", "new");
            return can && FileStatus.At(_folder["a"])!.Value.IsSameFile(before);
        }, TimeSpan.FromMinutes(1)).ShouldBeTrue();
        File.ReadAllText(_folder["a"]).ShouldBe("new");
        _files.List("").Count.ShouldBe(1);
    }

    [Fact]
    public void A_file_that_is_open_keeps_its_bytes_for_the_reader()
    {
        Write("a", "old bytes");
        using IReadableFile reader = _files.OpenRead("a");
        _files.CanOverwrite("a").ShouldBeFalse();
        Write("a", "new");
        Text(reader).ShouldBe("old bytes");
        File.ReadAllText(_folder["a"]).ShouldBe("new");
        _files.List("").Count.ShouldBe(1, "nothing is left beside it");
    }

    [Fact]
    public void A_file_that_another_process_has_open_keeps_its_bytes()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs a shell.");
        Write("a", "old bytes");
        using Process reader = Process.Start(new ProcessStartInfo("sh", ["-c", "exec 3< a; echo open; read go; cat <&3"])
        {
            WorkingDirectory = _folder.Path,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        reader.StandardOutput.ReadLine().ShouldBe("open");
        Write("a", "new");
        reader.StandardInput.WriteLine("go");
        reader.StandardOutput.ReadToEnd().ShouldBe("old bytes");
        reader.WaitForExit();
    }

    [Fact]
    public void A_file_that_is_mapped_keeps_its_bytes()
    {
        Write("a", "old bytes");
        using var mapped = new MappedFile(_folder["a"]);
        Write("a", "new");
        Text(mapped).ShouldBe("old bytes");
    }

    [Fact]
    public void A_file_with_a_second_name_keeps_its_bytes_under_that_name()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs ln.");
        Write("a", "old bytes");
        Process.Start("ln", [_folder["a"], _folder["backup"]]).WaitForExit();
        Write("a", "new");
        File.ReadAllText(_folder["backup"]).ShouldBe("old bytes");
        File.ReadAllText(_folder["a"]).ShouldBe("new");
    }

    [Fact]
    public void What_a_symbolic_link_points_to_keeps_its_bytes()
    {
        Write("a", "old bytes");
        File.CreateSymbolicLink(_folder["link"], _folder["a"]);
        Write("link", "new");
        File.ReadAllText(_folder["a"]).ShouldBe("old bytes");
        File.ReadAllText(_folder["link"]).ShouldBe("new");
    }

    [Fact]
    public void A_file_that_is_open_stays_when_there_is_no_room_for_another()
    {
        Write("a", "old bytes");
        using IReadableFile reader = _files.OpenRead("a");
        Should.Throw<IOException>(() => _files.OpenWrite("a", 1L << 52));
        File.ReadAllText(_folder["a"]).ShouldBe("old bytes");
        _files.List("").Count.ShouldBe(1);
    }

    static string Text(IReadableFile file)
    {
        byte[] bytes = new byte[file.Length];
        file.Read(0, bytes);
        return Encoding.ASCII.GetString(bytes);
    }

    void Write(string path, string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        using IWritableFile file = _files.OpenWrite(path, bytes.Length);
        file.Write(0, bytes);
        file.Sync();
    }
}
