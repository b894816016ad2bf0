using Cairn.Cli.Exporting;
using Cairn.TensorBoard;

namespace Cairn.Cli.Tests.Exporting;

public sealed class EventFileExportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void An_export_takes_the_place_of_the_earlier_one_of_its_run_and_of_no_other_file()
    {
        string run = _folder["run"], board = _folder["board"];
        LiveRun.Make(run, Options(), 20);
        (string file, long bytes, Scalar[] points) = EventFileExport.Write(run, board);
        points.Where(point => point.Tag == RunScalars.Loss).Select(point => point.Step).ShouldBe(Enumerable.Range(1, 20).Select(step => (long)step));
        DateTimeOffset began = DateTimeOffset.FromUnixTimeSeconds(long.Parse(Path.GetFileName(file).Split('.')[3], System.Globalization.CultureInfo.InvariantCulture));
        began.ShouldBe(TimeProvider.System.GetUtcNow(), TimeSpan.FromHours(1));
        byte[] written = File.ReadAllBytes(file), records = EventRecord.Scalars(points);
        written.Length.ShouldBe((int)bytes);
        written[^records.Length..].ShouldBe(records);
        // The run goes on.
        CheckpointOptions longer = Options();
        longer.TotalSteps = 30;
        LiveRun.Make(run, longer, 10);
        EventFileExport.Write(run, board).File.ShouldBe(file);
        Directory.GetFiles(board).ShouldBe([file]);
        new FileInfo(file).Length.ShouldBeGreaterThan(bytes);

        string other = Path.Join(board, "events.out.tfevents.1700000000.host.1");
        File.WriteAllText(other, "of another program");
        File.Delete(file);
        Should.Throw<CheckpointException>(() => EventFileExport.Write(run, board)).Message.ShouldContain("events.out.tfevents.1700000000.host.1");
        Directory.GetFiles(board).ShouldBe([other]);
        Should.Throw<CheckpointException>(() => EventFileExport.Write(board, _folder["elsewhere"])).Message.ShouldContain("holds no journal.jsonl");
        Directory.Exists(_folder["elsewhere"]).ShouldBeFalse();
    }

    [Theory]
    [InlineData("/r/a /r/b", "a b")]
    [InlineData("/sweep/1/run /sweep/2/run /sweep/other", "1/run 2/run other")]
    [InlineData("/a/x/run /b/x/run", "a/x/run b/x/run")]
    [InlineData("s3://bucket/x/run /data/y/run", "x/run y/run")]
    [InlineData("/run s3://bucket/run", "run-1 run-2")]
    [InlineData("/run", "run")]
    public void Runs_are_called_by_as_much_of_their_path_as_tells_them_apart(string places, string names) => string.Join(' ', RunNames.Of(places.Split(' '))).ShouldBe(names);

    [Fact]
    public void A_run_that_is_given_twice_is_refused() => Should.Throw<WrongUseException>(() => RunNames.Of(["/r/a", "/r/a"])).Message.ShouldBe("/r/a is given twice.");

    public void Dispose() => _folder.Dispose();

    private static CheckpointOptions Options() => new() { TotalSteps = 20, CheckpointEvery = 10, SnapshotEvery = 0, Asynchronous = false };
}
