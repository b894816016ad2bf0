using System.Text;
using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Journal;

public class RunJournalTests
{
    private readonly SimulatedFileSystem _disk = new();
    private bool _full;

    public RunJournalTests() => _disk.CreateFolder("");

    [Fact]
    public void A_line_that_a_full_disk_cut_off_stands_apart_and_is_written_again_when_there_is_room()
    {
        var journal = new RunJournal(FaultyFileSystem.Where(_disk, point => _full && point.Call == FileSystemCall.Append), TimeProvider.System, NullLogger.Instance);
        Write(journal, "saved", 1);
        _full = true;
        Write(journal, "saved", 2);
        Write(journal, "saved", 3);
        Steps().ShouldBe([1]);
        _full = false;
        Write(journal, "saved", 4);
        Steps().ShouldBe([1, 2, 3, 4]);
        Write(journal, "saved", 5);
        Steps().ShouldBe([1, 2, 3, 4, 5]);
        Lines().ShouldContain(line => !line.EndsWith('}'), "the lines that were cut off are left for the reader to count");
    }

    [Fact]
    public void A_line_that_a_crash_cut_off_does_not_swallow_the_first_of_the_next_process()
    {
        _disk.Append(RunFolder.Journal, "{\"time\":\"2026"u8, durable: false);
        Write(new RunJournal(_disk, TimeProvider.System, NullLogger.Instance), "saved", 1);
        Steps().ShouldBe([1]);
    }

    private static void Write(RunJournal journal, string name, int step) => journal.Write(name, json => json.WriteNumber("step", step));

    private string[] Lines() => Encoding.UTF8.GetString(SmallFile.Read(_disk, RunFolder.Journal, 1 << 20)).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private List<int> Steps()
    {
        var steps = new List<int>();
        foreach (string line in Lines())
        {
            try
            {
                using JsonDocument json = JsonDocument.Parse(line);
                steps.Add(json.RootElement.GetProperty("step").GetInt32());
            }
            catch (JsonException)
            {
                // One that was cut off.
            }
        }
        return steps;
    }
}
