using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.State;
using Cairn.Stores;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Journal;

/// <summary>
/// Writes <c>journal.jsonl</c>, one JSON object per event with at least <c>time</c> and <c>event</c>, and <c>progress.json</c>, where
/// the run stands now. Neither is needed to resume: when they cannot be written, training goes on. Of many ranks one writes them.
/// </summary>
/// <param name="files">The run.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Hears when it cannot be written.</param>
/// <param name="writes">Whether this rank writes it.</param>
/// <param name="later">Does what is handed to it one after the other, on a thread of its own; by default all is written before a call returns.</param>
internal sealed class RunJournal(IRunFiles files, TimeProvider time, ILogger logger, bool writes = true, Action<Action>? later = null)
{
    private static readonly TimeSpan BetweenProgress = TimeSpan.FromSeconds(1);
    private const int MostUnwritten = 1000;

    private readonly Lock _gate = new(), _writing = new();
    // Oldest first: what a full disk did not take.
    private readonly Queue<byte[]> _unwritten = [];
    private bool _mayEndWithinLine = true;
    private bool _failed;
    private long _lastProgress, _lastRecoverable;

    /// <summary>Whether this rank writes it.</summary>
    public bool Writes => writes;

    /// <summary>Adds an event. Never throws. May be called from several threads. What cannot be written now is written before the next.</summary>
    public void Write(string @event, Action<Utf8JsonWriter> fields)
    {
        if (!writes)
            return;
        lock (_gate)
        {
            byte[] line = JsonBytes.Write(default, json =>
            {
                json.WriteStartObject();
                json.WriteString("time", time.GetUtcNow());
                json.WriteString("event", @event);
                fields(json);
                json.WriteEndObject();
            }, endsLine: true);
            if (_unwritten.Count == MostUnwritten)
                _unwritten.Dequeue();
            _unwritten.Enqueue(line);
        }
        Do(WriteLines);
    }

    private void Do(Action write)
    {
        if (later is null)
            Guarded(write);
        else
            later(() => Guarded(write));
    }

    private byte[]? NextLine()
    {
        lock (_gate)
            return _unwritten.TryPeek(out byte[]? line) ? line : null;
    }

    private void WriteLines()
    {
        while (NextLine() is { } line)
        {
            // A line that a crash or a full disk cut off stays a line of its own.
            byte[] bytes = _mayEndWithinLine && EndsWithinLine(files) ? [(byte)'\n', .. line] : line;
            // Until it is known to have been written whole, it may be the cut one.
            _mayEndWithinLine = true;
            files.Append(RunFolder.Journal, bytes, durable: false);
            _mayEndWithinLine = false;
            lock (_gate)
            {
                if (_unwritten.TryPeek(out byte[]? written) && written == line)
                    _unwritten.Dequeue();
            }
        }
    }

    /// <summary>Says where the run stands, at most once a second unless <paramref name="now"/>.</summary>
    /// <param name="train">The counters.</param>
    /// <param name="now">Whether to say it at once.</param>
    /// <param name="recoverable">The newest step that stands in a fast folder, and not at home; 0 when there is none.</param>
    /// <param name="fastFolder">The first rank's fast folder, if there is one.</param>
    public void WriteProgress(TrainState train, bool now = false, long recoverable = 0, string? fastFolder = null)
    {
        if (!writes)
            return;
        if (!now && recoverable == _lastRecoverable && _lastProgress != 0 && time.GetElapsedTime(_lastProgress) < BetweenProgress)
            return;
        (_lastProgress, _lastRecoverable) = (time.GetTimestamp(), recoverable);
        PutProgress(train, recoverable, fastFolder);
    }

    /// <summary>Says where the run begins: what the process before has left must not pass for what this one does. The first batch is told at once.</summary>
    public void BeginProgress(TrainState train, long recoverable, string? fastFolder)
    {
        if (writes)
            PutProgress(train, recoverable, fastFolder);
    }

    private void PutProgress(TrainState train, long recoverable, string? fastFolder)
    {
        byte[] progress = JsonBytes.Write(default, json =>
        {
            json.WriteStartObject();
            json.WriteString("time", time.GetUtcNow());
            json.WriteNumber("pid", Environment.ProcessId);
            json.WriteNumber("step", train.Step);
            json.WriteNumber("batch", train.Batch);
            json.WriteNumber("skipped", train.SkippedBatches);
            if (train.LastLoss is { } loss && double.IsFinite(loss))
                json.WriteNumber("loss", loss);
            if (train.TotalSteps is { } total)
                json.WriteNumber("total_steps", total);
            if (recoverable > 0)
                json.WriteNumber("recoverable_step", recoverable);
            if (fastFolder is not null)
                json.WriteString("fast_folder", fastFolder);
            json.WriteEndObject();
        });
        Do(() => files.Put(RunFolder.Progress, progress, durable: false));
    }

    private static bool EndsWithinLine(IFileSource files)
    {
        try
        {
            if (!files.FileExists(RunFolder.Journal))
                return false;
            using IReadableFile file = files.OpenRead(RunFolder.Journal);
            Span<byte> last = stackalloc byte[1];
            return file.Length > 0 && file.Read(file.Length - 1, last) == 1 && last[0] != '\n';
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A line too many that is empty does no harm.
            return true;
        }
    }

    private void Guarded(Action write)
    {
        lock (_writing)
        {
            try
            {
                write();
                _failed = false;
            }
            // On a thread of its own nobody else would hear of it.
            catch (Exception e) when (e is IOException or UnauthorizedAccessException || later is not null)
            {
                if (!_failed)
                    logger.JournalFailed(e);
                _failed = true;
            }
        }
    }
}
