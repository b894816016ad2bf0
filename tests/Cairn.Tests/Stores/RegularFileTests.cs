using System.Text;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>Only regular files are opened: whatever else stands at a name is refused at once, by its kind.</summary>
public sealed class RegularFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly LocalFileSystem _files;

    public RegularFileTests() => _files = new LocalFileSystem(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("pipe", "a named pipe")]
    [InlineData("socket", "a socket")]
    [InlineData("device", "a character device")]
    [InlineData("folder", "a folder")]
    public void What_is_no_regular_file_is_neither_read_nor_written_nor_waited_for(string kind, string name)
    {
        SpecialFile.Make(kind, _folder["it"]);
        Refused(() => _files.OpenRead("it").Dispose());
        Refused(() => _files.OpenWrite("it", 1).Dispose());
        Refused(() => _files.Append("it", "x\n"u8.ToArray(), durable: false));
        Refused(() => new MappedFile(_folder["it"]).Dispose());

        void Refused(Action open) =>
            Should.Throw<NotRegularFileException>(() => SpecialFile.Ends(open)).Message.ShouldContain($"'{_folder["it"]}' is {name} and not a regular file");
    }

    [Fact]
    public void A_pipe_in_the_place_of_a_folder_does_not_stop_a_sync_for_ever()
    {
        SpecialFile.Pipe(_folder["it"]);
        SpecialFile.Ends(() => Record.Exception(() => _files.SyncFolder("it")));
    }

    [Fact]
    public void Links_to_regular_files_are_followed_also_to_one_that_is_still_to_be_made()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs links");
        File.CreateSymbolicLink(_folder["journal"], _folder["elsewhere"]);
        _files.Append("journal", "one\n"u8, durable: true);
        _files.Append("journal", "two\n"u8, durable: false);
        File.ReadAllText(_folder["elsewhere"]).ShouldBe("one\ntwo\n");
        new FileInfo(_folder["journal"]).LinkTarget.ShouldNotBeNull();
    }

    [Fact]
    public void Two_names_of_one_file_have_one_identity()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix only");
        File.WriteAllText(_folder["a"], "a");
        File.WriteAllText(_folder["b"], "b");
        File.CreateSymbolicLink(_folder["link"], _folder["a"]);
        FileStatus a = FileStatus.At(_folder["a"])!.Value;
        a.Kind.ShouldBe(FileKind.Regular);
        a.IsSameFile(FileStatus.At(_folder["link"])!.Value).ShouldBeTrue();
        a.IsSameFile(FileStatus.At(_folder["b"])!.Value).ShouldBeFalse();
        using Microsoft.Win32.SafeHandles.SafeFileHandle handle = RegularFile.OpenRead(_folder["a"]);
        FileStatus.Of(handle, "a").ShouldBe(a);
        FileStatus.At(_folder["nothing"]).ShouldBeNull();
    }

    [Fact]
    public async Task A_pipe_that_the_user_names_is_read_to_its_end_and_not_beyond_the_limit()
    {
        SpecialFile.Pipe(_folder["pipe"]);
        Task writer = Task.Factory.StartNew(() => File.WriteAllText(_folder["pipe"], "options"), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Encoding.UTF8.GetString(SpecialFile.Ends(() => NamedInput.Read(_folder["pipe"], 100))).ShouldBe("options");
        await writer;
        Should.Throw<IOException>(() => SpecialFile.Ends(() => NamedInput.Read("/dev/zero", 100)));
    }
}
