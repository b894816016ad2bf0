using System.Globalization;
using System.Text.Json;

namespace Cairn.Journal;

/// <summary>
/// Gathers what the batches measured into windows, and tells the journal of them: loss, learning rate, tokens, time, and the run's own metrics. A window is one batch up to batch 1000, and a thousandth of
/// all batches after that: a run of a million writes some 8,500, and no extreme gets lost in them. Belongs to the training thread.
/// </summary>
/// <param name="journal">Where they are written.</param>
/// <param name="train">The counters.</param>
/// <param name="time">The clock.</param>
/// <param name="isFar">Whether the run lives in an object store, where each line costs that the last segment is put again.</param>
/// <param name="measured">Hears of each window when it is written.</param>
internal sealed class BatchMetrics(RunJournal journal, TrainState train, TimeProvider time, bool isFar = false, Action<IReadOnlyList<MetricWindow>>? measured = null)
{
    private const long Fraction = 1000;
    private const int MostInLine = 256;

    // A line comes sooner when it is full.
    private readonly TimeSpan _between = TimeSpan.FromSeconds(isFar ? 10 : 2);
    private readonly List<MetricWindow> _closed = [];
    private MetricWindow _open;
    private long _batch = train.Batch, _step = train.Step, _tokens = train.ConsumedTokens;
    private long _lastBatch = time.GetTimestamp(), _lastLine = time.GetTimestamp();

    /// <summary>Takes in what came since the last call.</summary>
    public void AfterBatch()
    {
        if (!journal.Writes || train.Batch == _batch)
            return;
        long now = time.GetTimestamp();
        // A batch that was skipped says nothing of the loss; the last one still stands there.
        _open.Add(train.Step > _step ? train.LastLoss : null, time.GetElapsedTime(_lastBatch, now).TotalSeconds);
        (_open.Batch, _open.Step, _open.LearningRate) = (train.Batch, train.Step, train.LastLearningRate);
        if (train.Step > _step)
            _open.Measure(train);
        _open.Tokens += train.ConsumedTokens - _tokens;
        _open.Batches += train.Batch - _batch;
        (_batch, _step, _tokens, _lastBatch) = (train.Batch, train.Step, train.ConsumedTokens, now);
        if (_open.Batches >= Math.Max(1, train.Batch / Fraction))
            Close();
        if (_closed.Count >= MostInLine || (_closed.Count > 0 && time.GetElapsedTime(_lastLine, now) >= _between))
            WriteClosed(now);
    }

    /// <summary>Writes what is gathered so far.</summary>
    public void Write()
    {
        if (_open.Batches > 0)
            Close();
        if (_closed.Count > 0)
            WriteClosed(time.GetTimestamp());
    }

    private void Close()
    {
        _closed.Add(_open with { Time = time.GetUtcNow() });
        _open = default;
    }

    private void WriteClosed(long now)
    {
        _lastLine = now;
        journal.Write("metrics", json =>
        {
            json.WriteNumber("step", _closed[^1].Step);
            json.WriteNumber("batch", _closed[^1].Batch);
            Column(json, "batches", static window => window.Batch, "0");
            Column(json, "steps", static window => window.Step, "0");
            Column(json, "loss", static window => window.Loss, "G6");
            Column(json, "learning_rate", static window => window.LearningRate, "G6");
            Column(json, "tokens", static window => window.Tokens > 0 ? window.Tokens : null, "0");
            Column(json, "seconds", static window => window.Seconds, "G4");
            Metrics(json);
            // Of single batches they would say the same once more.
            if (_closed.TrueForAll(static window => window.Batches == 1))
                return;
            Column(json, "loss_min", static window => window.Least, "G6");
            Column(json, "loss_max", static window => window.Most, "G6");
            Column(json, "seconds_max", static window => window.Slowest, "G4");
        });
        measured?.Invoke(_closed);
        _closed.Clear();
    }

    private void Metrics(Utf8JsonWriter json)
    {
        string[] names = [.. _closed.SelectMany(static window => window.Metrics?.Keys.AsEnumerable() ?? []).Distinct(StringComparer.Ordinal)];
        if (names.Length == 0)
            return;
        json.WriteStartObject("metrics");
        foreach (string name in names)
            Column(json, name, window => window.Metrics is { } own && own.TryGetValue(name, out double value) ? value : null, "G6");
        json.WriteEndObject();
    }

    private void Column(Utf8JsonWriter json, string name, Func<MetricWindow, double?> value, string format)
    {
        if (_closed.TrueForAll(window => value(window) is null))
            return;
        json.WriteStartArray(name);
        foreach (MetricWindow window in _closed)
        {
            if (value(window) is not { } number)
                json.WriteNullValue();
            else if (double.IsFinite(number))
                json.WriteRawValue(number.ToString(format, CultureInfo.InvariantCulture), skipInputValidation: true);
            else
                // JSON has no number for it.
                json.WriteStringValue(number.ToString(CultureInfo.InvariantCulture));
        }
        json.WriteEndArray();
    }
}
