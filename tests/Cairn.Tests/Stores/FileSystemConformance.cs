using System.Text;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>What every <see cref="IFileSystem"/> must do.</summary>
public abstract class FileSystemConformance
{
    internal abstract IFileSystem Files { get; }

    [Fact]
    public void A_written_file_reads_back()
    {
        Write("a.bin", "hello");
        Read("a.bin").ShouldBe("hello");
        Files.FileExists("a.bin").ShouldBeTrue();
        Files.FolderExists("a.bin").ShouldBeFalse();
    }

    [Fact]
    public void Reading_fills_the_buffer_unless_the_file_ends()
    {
        Write("a.bin", "hello");
        using IReadableFile file = Files.OpenRead("a.bin");
        file.Length.ShouldBe(5);
        byte[] bytes = new byte[4];
        file.Read(3, bytes).ShouldBe(2);
        bytes[..2].ShouldBe("lo"u8.ToArray());
        file.Read(9, bytes).ShouldBe(0);
    }

    [Fact]
    public void A_file_is_overwritten_in_place_and_cut()
    {
        Write("a.bin", "a long content");
        Write("a.bin", "short");
        Read("a.bin").ShouldBe("short");
        Write("a.bin", "longer than before");
        Read("a.bin").ShouldBe("longer than before");
    }

    [Fact]
    public void A_file_can_have_two_names_and_each_keeps_it()
    {
        Write("a.bin", "hello");
        Files.CreateFolder("other");
        FileIdentity identity = Files.Identify("a.bin").ShouldNotBeNull();
        Write("other/b.bin", "in the way");
        Files.Link("a.bin", "other/b.bin", identity).ShouldBe(LinkOutcome.Linked);
        Files.Identify("other/b.bin").ShouldBe(identity);
        Files.CanOverwrite("a.bin").ShouldBeFalse("its bytes are another name's too");
        Files.CanOverwrite("other/b.bin").ShouldBeFalse();
        Files.ReclaimableBytes("other").ShouldBe(0);
        Write("a.bin", "new");
        Read("other/b.bin").ShouldBe("hello");
        Write("a.bin", "hello");
        Files.DeleteFolder("other");
        Read("a.bin").ShouldBe("hello");
    }

    [Fact]
    public void What_was_written_to_or_is_gone_gets_no_second_name()
    {
        Write("a.bin", "hello");
        FileIdentity identity = Files.Identify("a.bin").ShouldNotBeNull();
        Write("a.bin", "hello, all");
        Files.Link("a.bin", "b.bin", identity).ShouldBe(LinkOutcome.NotThisOne);
        Files.DeleteFile("a.bin");
        Files.Link("a.bin", "b.bin", identity).ShouldBe(LinkOutcome.NotThisOne);
        Files.FileExists("b.bin").ShouldBeFalse();
        Files.Identify("a.bin").ShouldBeNull();
        Files.Identify("b.bin").ShouldBeNull();
    }

    [Fact]
    public void Blocks_may_come_in_any_order_and_from_several_threads()
    {
        byte[] bytes = new byte[(7 * AlignedMemory.Alignment) + 5];
        new Random(1).NextBytes(bytes);
        using (IWritableFile file = Files.OpenWrite("a.bin", bytes.Length))
        {
            Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
            {
                int start = (7 - i) * AlignedMemory.Alignment;
                file.Write(start, bytes.AsSpan(start, Math.Min(AlignedMemory.Alignment, bytes.Length - start)));
            });
            file.Sync();
        }
        using IReadableFile written = Files.OpenRead("a.bin");
        byte[] read = new byte[bytes.Length + 1];
        written.Read(0, read).ShouldBe(bytes.Length);
        read[..bytes.Length].ShouldBe(bytes);
    }

    [Fact]
    public void Folders_above_are_made_and_a_listing_shows_files_and_folders()
    {
        Files.CreateFolder("run/snapshot/0");
        Files.CreateFolder("run/snapshot/0");
        Write("run/.hidden", "12345");
        Files.List("run").OrderBy(e => e.Name, StringComparer.Ordinal).ShouldBe([new(".hidden", false, 5), new("snapshot", true, 0)]);
        Files.List("").ShouldBe([new("run", true, 0)]);
        Files.List("nowhere/at/all").ShouldBeEmpty();
        Files.SyncFolder("run");
        Files.SyncFolder("");
    }

    [Fact]
    public void A_file_needs_its_folder()
    {
        Should.Throw<IOException>(() => Files.OpenWrite("no/a.bin", 1));
        Should.Throw<IOException>(() => Files.SyncFolder("no"));
        Should.Throw<FileNotFoundException>(() => Files.OpenRead("no/a.bin"));
        Should.Throw<FileNotFoundException>(() => Files.OpenRead("a.bin"));
        Files.FileExists("no/a.bin").ShouldBeFalse();
    }

    [Fact]
    public void A_moved_file_replaces_the_file_there()
    {
        Write("a", "new");
        Write("b", "old");
        Files.Move("a", "b");
        Read("b").ShouldBe("new");
        Files.FileExists("a").ShouldBeFalse();
    }

    [Fact]
    public void A_moved_folder_takes_its_files_along_and_replaces_no_folder()
    {
        Files.CreateFolder("a/x");
        Files.CreateFolder("empty");
        Write("a/x/f", "1");
        Should.Throw<IOException>(() => Files.Move("a", "empty"));
        Files.Move("a", "b");
        Read("b/x/f").ShouldBe("1");
        Files.FolderExists("a").ShouldBeFalse();
        Should.Throw<IOException>(() => Files.Move("nothing", "c"));
    }

    [Fact]
    public void Exchanged_folders_swap_their_names()
    {
        Files.CreateFolder("staging/new");
        Files.CreateFolder("old");
        Write("staging/new/f", "new");
        Write("old/f", "old");
        if (!Files.CanExchange)
        {
            Should.Throw<NotSupportedException>(() => Files.Exchange("staging/new", "old"));
            return;
        }
        Files.Exchange("staging/new", "old");
        Read("old/f").ShouldBe("new");
        Read("staging/new/f").ShouldBe("old");
        Should.Throw<IOException>(() => Files.Exchange("old", "nothing"));
        Files.List("").Count.ShouldBe(2, "probing leaves nothing behind");
    }

    [Fact]
    public void Deleting_what_is_not_there_does_nothing()
    {
        Files.DeleteFile("nothing");
        Files.DeleteFile("no/thing");
        Files.DeleteFolder("nothing");
        Files.CreateFolder("a/b");
        Write("a/b/f", "1");
        Files.DeleteFolder("a");
        Files.List("").ShouldBeEmpty();
        Write("f", "1");
        Files.DeleteFile("f");
        Files.FileExists("f").ShouldBeFalse();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Appending_makes_the_file_and_adds_to_its_end(bool durable)
    {
        Files.Append("journal", "one\n"u8, durable);
        Files.Append("journal", "two\n"u8, durable);
        Read("journal").ShouldBe("one\ntwo\n");
    }

    [Theory]
    [InlineData("../a")]
    [InlineData("a/../../b")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    [InlineData("a/")]
    [InlineData("./a")]
    [InlineData("a\0b")]
    public void Paths_that_lead_out_of_the_root_are_refused(string path)
    {
        Should.Throw<ArgumentException>(() => Files.OpenWrite(path, 0));
        Should.Throw<ArgumentException>(() => Files.OpenRead(path));
        Should.Throw<ArgumentException>(() => Files.List(path));
        Should.Throw<ArgumentException>(() => Files.DeleteFolder(path));
        Should.Throw<ArgumentException>(() => Files.Move("a", path));
    }

    [Theory]
    [InlineData("a\\b")]
    [InlineData("c:a")]
    [InlineData("12:30:00")]
    [InlineData(" a ")]
    [InlineData("-a")]
    [InlineData("a\nb")]
    [InlineData("\u202Ea")]
    [InlineData("~")]
    public void Any_name_that_the_system_can_have_is_a_name(string name)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has separators of its own.");
        Write(name, "kept");
        Read(name).ShouldBe("kept");
        Files.List("").Select(entry => entry.Name).ShouldContain(found => found == name);
        Files.Move(name, $"{name}2");
        Files.CreateFolder(name);
        Write($"{name}/{name}", "in it");
        Read($"{name}/{name}").ShouldBe("in it");
        Files.DeleteFolder(name);
        Files.DeleteFile($"{name}2");
        Files.List("").Select(entry => entry.Name).ShouldNotContain(found => found == name);
    }

    [Fact]
    public void The_root_cannot_be_deleted() => Should.Throw<ArgumentException>(() => Files.DeleteFolder(""));

    [Fact]
    public void A_reservation_that_does_not_fit_is_an_error_and_leaves_the_file_as_it_was()
    {
        Write("a", "kept");
        if (Files.AvailableBytes() is null)
            return;
        Should.Throw<IOException>(() => Files.OpenWrite("a", 1L << 52));
        Should.Throw<IOException>(() => Files.OpenWrite("b", 1L << 52));
        Read("a").ShouldBe("kept");
        Files.FileExists("b").ShouldBeFalse();
    }

    protected void Write(string path, string content)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(content);
        using IWritableFile file = Files.OpenWrite(path, bytes.Length);
        file.Write(0, bytes);
        file.Sync();
    }

    protected string Read(string path)
    {
        using IReadableFile file = Files.OpenRead(path);
        byte[] bytes = new byte[file.Length];
        file.Read(0, bytes).ShouldBe(bytes.Length);
        return Encoding.UTF8.GetString(bytes);
    }
}
