using System.Text;
using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Journal;

/// <summary>How far the process before came, from what it has left.</summary>
public class LastSeenTests
{
    private readonly SimulatedFileSystem _disk = new();

    public LastSeenTests() => _disk.CreateFolder("");

    [Fact]
    public void Of_a_run_that_begins_nothing_is_known() => LastSeen.Of(_disk).ShouldBeNull();

    [Theory]
    // Its last windows are newer than its progress, or the other way round.
    [InlineData(57, 50, 57)]
    [InlineData(50, 57, 57)]
    public void The_newest_word_counts_wherever_it_stands(long journal, long progress, long expected)
    {
        Line(0, "started", 0);
        Line(2, "metrics", journal);
        Line(2, "retired", 10);
        Line(3, "command", 900);
        Progress(3, progress);
        LastSeen.Of(_disk).ShouldBe(new LastSeen(expected, IsExact: false));
    }

    [Theory, InlineData("finished"), InlineData("stopped"), InlineData("aborted")]
    public void A_process_that_told_its_end_has_made_no_more(string end)
    {
        Line(0, "started", 0);
        Progress(5, 58);
        Line(6, end, 60);
        Line(7, "saved", 60);
        LastSeen.Of(_disk).ShouldBe(new LastSeen(60, IsExact: true));
        Line(8, "metrics", 61);
        LastSeen.Of(_disk).ShouldBe(new LastSeen(61, IsExact: false), "it has trained on");
    }

    [Fact]
    public void Only_the_last_process_counts()
    {
        Line(0, "started", 0);
        Line(9, "finished", 90);
        Progress(9, 90);
        Line(20, "resumed", 40);
        LastSeen.Of(_disk).ShouldBe(new LastSeen(40, IsExact: false));
        Line(21, "saved", 45);
        LastSeen.Of(_disk).ShouldBe(new LastSeen(45, IsExact: false));
        Progress(22, 47);
        LastSeen.Of(_disk).ShouldBe(new LastSeen(47, IsExact: false));
    }

    [Fact]
    public void Lines_that_are_damaged_or_of_a_stranger_say_nothing()
    {
        Line(0, "started", 0);
        Line(1, "metrics", 7);
        Append("[]\n\n{\"event\":\"metrics\",\"step\":\"many\"}\n{\"event\":3,\"step\":99}\n{\"step\":99}\n{\"time\":\"2026");
        LastSeen.Of(_disk).ShouldBe(new LastSeen(7, IsExact: false));
        ((IRunFiles)_disk).Put(RunFolder.Progress, "{\"step\":99}"u8.ToArray(), durable: false);
        LastSeen.Of(_disk).ShouldBe(new LastSeen(7, IsExact: false));
    }

    [Fact]
    public void Of_a_long_journal_the_end_is_read()
    {
        Line(0, "started", 0);
        Append(string.Concat(Enumerable.Repeat($"{{\"event\":\"note\",\"text\":\"{new string('x', 1000)}\"}}\n", 1000)));
        Line(1, "metrics", 7);
        LastSeen.Of(_disk).ShouldBe(new LastSeen(7, IsExact: false));
    }

    [Fact]
    public async Task In_a_store_the_journal_stands_in_segments()
    {
        var store = new MemoryRunStore();
        await Put("1", Text(0, "started", 0) + Text(1, "metrics", 7));
        await Put("2", Text(9, "resumed", 5) + Text(10, "metrics", 6));
        LastSeen.Of(new StoreFiles(store)).ShouldBe(new LastSeen(6, IsExact: false));

        async Task Put(string segment, string text) => await store.PutAsync($"{RunFolder.Journal}/{segment}", Encoding.UTF8.GetBytes(text), TestContext.Current.CancellationToken);
    }

    private void Line(int second, string name, long step) => Append(Text(second, name, step));

    private void Append(string text) => _disk.Append(RunFolder.Journal, Encoding.UTF8.GetBytes(text), durable: false);

    private void Progress(int second, long step) =>
        ((IRunFiles)_disk).Put(RunFolder.Progress, Encoding.UTF8.GetBytes($"{{\"time\":\"{At(second)}\",\"pid\":1,\"step\":{step},\"batch\":{step},\"skipped\":0}}"), durable: false);

    private static string Text(int second, string name, long step) => $"{{\"time\":\"{At(second)}\",\"event\":\"{name}\",\"step\":{step},\"batch\":{step}}}\n";

    private static string At(int second) => $"2026-01-01T00:00:{second:00}Z";
}
