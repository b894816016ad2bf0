using System.Text;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

public sealed class SimulatedFileSystemTests : FileSystemConformance
{
    private readonly SimulatedFileSystem _files = new() { Capacity = 1 << 20 };

    internal override IFileSystem Files => _files;

    [Fact]
    public void Without_any_sync_everything_may_be_lost()
    {
        Put("a", "1234", sync: false);
        HashSet<string> states = Describe();
        states.ShouldContain("", StringComparer.Ordinal);
        states.ShouldContain("a=", StringComparer.Ordinal);
        states.ShouldContain("a=12", StringComparer.Ordinal);
        states.ShouldContain("a=\0\0\0\0", StringComparer.Ordinal);
        states.ShouldContain("a=1234", StringComparer.Ordinal);
    }

    [Fact]
    public void Synced_bytes_without_a_synced_folder_may_lose_their_name()
    {
        Put("a", "1234", sync: true);
        int done = _files.Operations.Count;
        Describe(done).ShouldBe(["", "a=1234"], ignoreOrder: true);
        _files.SyncFolder("");
        Describe(done + 1).ShouldBe(["a=1234"]);
    }

    [Fact]
    public void A_move_is_durable_when_both_folders_are_synced()
    {
        _files.CreateFolder("x");
        _files.CreateFolder("y");
        _files.SyncFolder("");
        Put("x/a", "1", sync: true);
        _files.SyncFolder("x");
        _files.Move("x/a", "y/a");
        _files.SyncFolder("y");
        Describe(_files.Operations.Count).ShouldBe(["x/ x/a=1 y/", "x/ y/ y/a=1"], ignoreOrder: true);
        _files.SyncFolder("x");
        Describe(_files.Operations.Count).ShouldBe(["x/ y/ y/a=1"]);
    }

    [Fact]
    public void A_file_that_was_moved_twice_has_one_name_whichever_of_the_moves_is_lost()
    {
        Put("a", "1", sync: true);
        _files.SyncFolder("");
        _files.Move("a", "b");
        _files.Move("b", "c");
        Describe(_files.Operations.Count).ShouldBe(["a=1", "b=1", "c=1"], ignoreOrder: true);
    }

    [Fact]
    public void Bytes_follow_the_file_and_not_its_name()
    {
        Put("a", "new", sync: false);
        _files.Move("a", "b");
        _files.SyncFolder("");
        HashSet<string> states = Describe(_files.Operations.Count);
        states.ShouldContain("b=", StringComparer.Ordinal);
        states.ShouldContain("b=new", StringComparer.Ordinal);
    }

    [Fact]
    public void Replacing_a_synced_file_leaves_the_old_or_the_new_one()
    {
        Put("a", "old", sync: true);
        _files.SyncFolder("");
        Put("tmp", "new", sync: true);
        _files.Move("tmp", "a");
        foreach (CrashState state in _files.CrashStates(_files.Operations.Count))
            Encoding.UTF8.GetString(state.FileSystem.AllFiles()["a"]).ShouldBeOneOf("old", "new");
    }

    [Fact]
    public void Overwriting_in_place_may_mix_old_and_new()
    {
        Put("a", "oooo", sync: true);
        _files.SyncFolder("");
        Put("a", "nnnn", sync: false);
        HashSet<string> states = Describe(_files.Operations.Count);
        states.ShouldContain("a=oooo", StringComparer.Ordinal);
        states.ShouldContain("a=nnoo", StringComparer.Ordinal);
        states.ShouldContain("a=oonn", StringComparer.Ordinal);
        states.ShouldContain("a=nnnn", StringComparer.Ordinal);
    }

    [Fact]
    public void An_exchange_happened_or_not()
    {
        foreach (string folder in new[] { "x", "y" })
        {
            _files.CreateFolder(folder);
            Put(folder + "/" + folder, "1", sync: true);
            _files.SyncFolder(folder);
        }
        _files.SyncFolder("");
        _files.Exchange("x", "y");
        Describe(_files.Operations.Count).ShouldBe(["x/ x/x=1 y/ y/y=1", "x/ x/y=1 y/ y/x=1"], ignoreOrder: true);
        _files.SyncFolder("");
        Describe(_files.Operations.Count).ShouldBe(["x/ x/y=1 y/ y/x=1"]);
    }

    [Fact]
    public void Deleting_a_folder_may_stop_half_way()
    {
        _files.CreateFolder("x");
        Put("x/a", "1", sync: true);
        Put("x/b", "2", sync: true);
        _files.SyncFolder("x");
        _files.SyncFolder("");
        _files.DeleteFolder("x");
        Describe(_files.Operations.Count).ShouldBe(["x/ x/a=1 x/b=2", "x/ x/b=2", "x/ x/a=1", "x/", ""], ignoreOrder: true);
        _files.SyncFolder("");
        Describe(_files.Operations.Count).ShouldBe([""]);
    }

    [Fact]
    public void A_durable_append_is_kept_and_an_open_one_may_be_torn()
    {
        _files.Append("j", "one\n"u8, durable: true);
        _files.Append("j", "two\n"u8, durable: false);
        HashSet<string> states = Describe(_files.Operations.Count);
        states.ShouldAllBe(s => s.StartsWith("j=one\n", StringComparison.Ordinal));
        states.ShouldContain("j=one\ntw", StringComparer.Ordinal);
        states.ShouldContain("j=one\n", StringComparer.Ordinal);
    }

    [Fact]
    public void States_know_what_was_promised_before_them()
    {
        Put("a", "1", sync: true);
        _files.SyncFolder("");
        _files.Mark("saved a");
        CrashState last = _files.CrashStates().Last();
        last.Marks.ShouldBe(["saved a"]);
        last.FileSystem.FileExists("a").ShouldBeTrue();
        _files.CrashStates().First().Marks.ShouldBeEmpty();
    }

    [Fact]
    public void A_crash_state_can_be_used_and_crashed_again()
    {
        Put("a", "1", sync: true);
        foreach (CrashState state in _files.CrashStates())
        {
            state.FileSystem.Append("b", "2"u8, durable: true);
            foreach (CrashState again in state.FileSystem.CrashStates(state.FileSystem.Operations.Count))
                again.FileSystem.FileExists("b").ShouldBeTrue();
        }
        _files.FileExists("b").ShouldBeFalse();
    }

    [Fact]
    public void Hundreds_of_operations_have_thousands_of_states_and_not_millions()
    {
        for (int step = 0; step < 20; step++)
        {
            _files.CreateFolder($".staging/{step}");
            for (int f = 0; f < 5; f++)
                Put($".staging/{step}/{f}", new string((char)('a' + step), 100), sync: true);
            _files.SyncFolder($".staging/{step}");
            _files.Move($".staging/{step}", $"{step}");
            _files.SyncFolder(".staging");
            _files.SyncFolder("");
            _files.Mark($"saved {step}");
        }
        _files.CrashStates().Count().ShouldBeInRange(1000, 100_000);
    }

    [Fact]
    public void A_faulty_file_system_fails_where_it_is_told()
    {
        FaultyFileSystem faulty = FaultyFileSystem.Where(_files, p => p is { Call: FileSystemCall.Write, Path: "b" });
        using (IWritableFile a = faulty.OpenWrite("a", 4))
            a.Write(0, "1234"u8);
        using (IWritableFile b = faulty.OpenWrite("b", 4))
            Should.Throw<IOException>(() => b.Write(0, "1234"u8));
        Read("a").ShouldBe("1234");
        Read("b").ShouldBe("12");
        faulty.Changes.ShouldBe(4);
        FaultyFileSystem broken = FaultyFileSystem.At(_files, 1, staysBroken: true);
        broken.CreateFolder("c");
        Should.Throw<IOException>(() => broken.Move("a", "c/a"));
        Should.Throw<IOException>(() => broken.List(""));
        _files.FileExists("a").ShouldBeTrue();
    }

    private void Put(string path, string content, bool sync)
    {
        using IWritableFile file = _files.OpenWrite(path, content.Length);
        file.Write(0, Encoding.UTF8.GetBytes(content));
        if (sync)
            file.Sync();
    }

    private HashSet<string> Describe(int from = 0) =>
    [
        .. _files.CrashStates(from).Select(s => string.Join(' ', s.FileSystem.AllFiles().Select(f =>
            f.Key.EndsWith('/') ? f.Key : $"{f.Key}={Encoding.Latin1.GetString(f.Value)}"))),
    ];
}
