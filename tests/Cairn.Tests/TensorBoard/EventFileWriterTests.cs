using System.Collections.Concurrent;
using Cairn.TensorBoard;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.TensorBoard;

/// <summary>A file that is written behind training's back, on a disk that may refuse.</summary>
public sealed class EventFileWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddSeconds(1000));
    private readonly ConcurrentQueue<Exception> _problems = [];

    [Fact]
    public void The_file_is_there_before_the_first_point_and_each_flush_ends_with_a_whole_record()
    {
        using EventFileWriter writer = Writer();
        writer.Flush();
        string file = Directory.GetFiles(Place).ShouldHaveSingleItem();
        File.ReadAllBytes(file).ShouldBe(Head(7));
        writer.Add([Point(7)]);
        writer.Flush();
        File.ReadAllBytes(file).ShouldBe([.. Head(7), .. EventRecord.Scalars([Point(7)])]);
        _problems.ShouldBeEmpty();
    }

    [Fact]
    public void What_cannot_be_written_is_told_once_and_written_when_it_can_be()
    {
        // A file stands where the folder belongs: that stops root as well.
        File.WriteAllText(Place, "");
        using EventFileWriter writer = Writer();
        writer.Add([Point(7)]);
        writer.Add([Point(8)]);
        writer.Flush();
        _problems.ShouldHaveSingleItem().ShouldBeAssignableTo<IOException>();
        File.Delete(Place);
        writer.Add([Point(9)]);
        writer.Flush();
        File.ReadAllBytes(Directory.GetFiles(Place).ShouldHaveSingleItem()).ShouldBe([.. Head(7), .. EventRecord.Scalars([Point(7), Point(8), Point(9)])]);
        _problems.ShouldHaveSingleItem();
    }

    [Fact]
    public void Half_a_record_that_a_full_disk_left_is_written_over()
    {
        using EventFileWriter writer = Writer();
        writer.Add([Point(7)]);
        writer.Flush();
        string file = Directory.GetFiles(Place).ShouldHaveSingleItem();
        File.AppendAllBytes(file, EventRecord.Scalars([.. Enumerable.Range(8, 50).Select(step => Point(step))])[..^9]);
        writer.Add([Point(8)]);
        writer.Flush();
        File.ReadAllBytes(file).ShouldBe([.. Head(7), .. EventRecord.Scalars([Point(7), Point(8)])]);
    }

    [Fact]
    public void A_file_that_is_taken_away_is_begun_again()
    {
        using EventFileWriter writer = Writer();
        writer.Add([Point(7)]);
        writer.Flush();
        Directory.Delete(Place, recursive: true);
        writer.Add([Point(8)]);
        writer.Flush();
        File.ReadAllBytes(Directory.GetFiles(Place).ShouldHaveSingleItem()).ShouldBe([.. Head(7), .. EventRecord.Scalars([Point(8)])]);
    }

    [Fact]
    public void What_waits_for_the_disk_takes_bounded_memory_and_the_newest_is_kept()
    {
        File.WriteAllText(Place, "");
        using EventFileWriter writer = Writer();
        Scalar[] many = [.. Enumerable.Range(0, 1000).Select(n => new Scalar($"curve {n}", 7, DateTimeOffset.UnixEpoch, n))];
        int bytes = EventRecord.Scalars(many).Length;
        for (int line = 0; line < 2 * EventFileWriter.MostWaiting / bytes; line++)
        {
            writer.Add(many);
            writer.Flush();
        }
        writer.Add([Point(8)]);
        File.Delete(Place);
        writer.Add([Point(9)]);
        writer.Flush();
        byte[] written = File.ReadAllBytes(Directory.GetFiles(Place).ShouldHaveSingleItem());
        written.Length.ShouldBeInRange(EventFileWriter.MostWaiting - 2 * bytes, EventFileWriter.MostWaiting + 200);
        byte[] last = EventRecord.Scalars([Point(8), Point(9)]);
        written[^last.Length..].ShouldBe(last);
    }

    public void Dispose() => _folder.Dispose();

    private string Place => _folder["board"];

    private EventFileWriter Writer() => new(Place, 7, _time, _problems.Enqueue);

    private byte[] Head(long step) => [.. EventRecord.FileVersion(_time.GetUtcNow()), .. EventRecord.Start(_time.GetUtcNow(), step)];

    private static Scalar Point(long step) => new("loss", step, DateTimeOffset.UnixEpoch, step);
}
