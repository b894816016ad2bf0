using System.Globalization;

namespace Cairn.Advice.Tests;

/// <summary>How InternLM's lines look: its first version, InternEvo, and InternEvo with its logging service.</summary>
public enum LogForm
{
    First,
    Evo,
    Service,
}

/// <summary>
/// Plays InternLM's training loop through, with its rules and its faults, and writes the log that it would write. The lines follow the examples in
/// InternLM's documentation and the format strings of InternEvo.
/// </summary>
internal sealed class InternLmTraining(LogForm form)
{
    private readonly List<string> _lines = [];
    private DateTime _now = new(2024, 3, 28, 9, 15, 0, DateTimeKind.Unspecified);
    private long _skipped;
    private int _snapshots = -1;

    public long TotalSteps { get; init; } = 500;
    public long CheckpointEvery { get; init; } = 1000;
    public long SnapshotEvery { get; init; } = 250;
    public HashSet<long> OverflowAt { get; init; } = [];
    public HashSet<long> SkipList { get; init; } = [];
    /// <summary>Batches with a NaN norm. InternEvo warns of the norm, and says nothing of the batch.</summary>
    public HashSet<long> NanAt { get; init; } = [];
    public double SaveSeconds { get; init; } = 12.5;
    public string Folder { get; init; } = "local:llm_ckpts";

    /// <summary>The markers that stand in the folder, by their path.</summary>
    public SortedSet<string> Markers { get; } = new(StringComparer.Ordinal);

    public long Step { get; private set; }
    public IReadOnlyList<string> Lines => _lines;

    public void Start(int ranks = 1)
    {
        _snapshots = -1;
        Say("launch.py", 239, "args_sanity_check", "+++++++++++++++ Ckpt Info +++++++++++++++");
        Say("launch.py", 240, "args_sanity_check", "is enable save ckpt: True");
        Say("launch.py", 241, "args_sanity_check", $"save_ckpt_folder: {Folder}");
        Say("launch.py", 242, "args_sanity_check", $"checkpoint_every: {CheckpointEvery}");
        string launch = _now.ToString("MMMdd_HH-mm-ss", CultureInfo.InvariantCulture);
        for (int rank = 0; rank < ranks; rank++)
            Say("checkpoint_manager.py", 560, "try_resume_training", $"===========New Run {launch} on host:SH-IDC1-10-140-0-135,rank={rank},tp=0,pp=0,dp={rank}===========");
    }

    /// <summary>A restart that found this copy.</summary>
    public void Resume(string path, long step, long batch, long skipped)
    {
        _snapshots = -1;
        (Step, _skipped) = (step, skipped);
        _now += TimeSpan.FromMinutes(7);
        Say("checkpoint_manager.py", 550, "query_lastest_ckpt", $"Found latest ckpt {path}, step: {step}...");
        Say("components.py", 427, "load_context", "reload train_state:{");
        foreach (string line in (string[])[$"    \"batch_count\": {batch},", $"    \"inf_nan_skip_batches\": {skipped},", "    \"num_consumed_samples_in_epoch\": 1000,", "    \"num_consumed_tokens\": 65536000,", $"    \"step_count\": {step}", "}"])
            _lines.Add(line);
        Say("checkpoint_manager.py", 588, "try_resume_training", $"===========Resume training from `{path}` {_now.ToString("MMMdd_HH-mm-ss", CultureInfo.InvariantCulture)} on host:SH-IDC1-10-140-0-135===========");
    }

    /// <summary>Batches from one index up to, and not with, another; to the planned end by default.</summary>
    public void Train(long from = 0, long? until = null)
    {
        for (long batch = from; batch < (until ?? TotalSteps); batch++)
        {
            _now += TimeSpan.FromSeconds(3.9);
            if (SkipList.Contains(batch))
            {
                Say("train.py", 205, "main", $"Skip batch count:`{batch}`...");
                continue;
            }
            if (OverflowAt.Contains(batch))
            {
                _skipped++;
                Say("hybrid_zero_optim.py", 719, "_step", "Overflow occurs, please check it.", "WARNING");
                Say("train.py", 255, "main", $"Warning: skip parameter update at step {batch}.", "WARNING");
            }
            else if (NanAt.Contains(batch))
            {
                _skipped++;
                Say("hybrid_zero_optim.py", 730, "_step", "Nan grad norm occurs, please check it.", "WARNING");
            }
            else
            {
                Step++;
                Say(form == LogForm.First ? "train.py" : "pipeline.py", 323, "record_current_batch_training_metrics", Metrics(batch));
            }
            SaveIfDue();
        }
    }

    /// <summary>The process is killed while it saves, after the line that announces it.</summary>
    public void DieWhileSaving() => Say("checkpoint_manager.py", 610, "save_checkpoint", $"Saving checkpoint to `{Folder}/{Step}` at batch count:{Step}...");

    public void Raise(string what)
    {
        Say("train.py", 310, "<module>", "Raise exception from SH-IDC1-10-140-0-135 with rank id: 0", "ERROR");
        _lines.AddRange(["Traceback (most recent call last):", "  File \"/home/user/train.py\", line 307, in <module>", "    main(args)", what, ""]);
    }

    private void SaveIfDue()
    {
        bool snapshot = SnapshotEvery > 1 && Step > 0 && Step % SnapshotEvery == 0;
        bool checkpoint = (Step > 0 && Step % CheckpointEvery == 0) || Step == TotalSteps;
        if (!snapshot && !checkpoint)
            return;
        if (!checkpoint)
            _snapshots = (_snapshots + 1) % 2;
        string name = checkpoint ? $"{Step}" : $"snapshot/{_snapshots}";
        Say("checkpoint_manager.py", 610, "save_checkpoint", $"Saving checkpoint to `{Folder}/{name}` at batch count:{Step}...");
        _now += TimeSpan.FromSeconds(SaveSeconds);
        Say("megatron_timers.py", 104, "log", "time (ms) | save-model: 4211.53 | save-optimizer: 8123.44");
        Say("checkpoint_manager.py", 655, "save_checkpoint", $"Step: {Step}, rank 0 save ckpt use {SaveSeconds.ToString("0.000", CultureInfo.InvariantCulture)} s");
        Markers.Add($"{name}/{Step}.step");
    }

    private string Metrics(long batch)
    {
        string gradients = form == LogForm.First ? "63.67" : "{'0_default': 63.67, '1_fp32': 0.0}";
        string[] pairs =
        [
            "tflops=189.83", $"step={batch}", "loss=2.345", "tgs (tokens/gpu/second)=4274.45", .. form == LogForm.First ? (string[])[] : ["tgs/last_tgs_1=4274.46", "tgs/tgs_all=4200.1"],
            "lr=6e-07", "loss_scale=65536.0", $"grad_norm={gradients}", "micro_num=4", $"num_consumed_tokens={(batch + 1) * 131072}", $"inf_nan_skip_batches={_skipped}",
            "num_samples_in_batch=16", "largest_length=2048", "adam_beta2=0.95", "fwd_bwd_time=3.67",
        ];
        return form == LogForm.First ? string.Join(',', pairs) : string.Concat(pairs.Select(pair => pair + " "));
    }

    private void Say(string file, int line, string function, string message, string level = "INFO")
    {
        _now += TimeSpan.FromMilliseconds(3);
        _lines.Add(form == LogForm.Service
            ? $"{_now.ToString("yyyy-MM-dd'T'HH:mm:ss.fff", CultureInfo.InvariantCulture)}+08:00 {level} [{file}, line {line}, in {function}] - pid=78690 : {message}"
            : $"{_now.ToString("yyyy-MM-dd HH:mm:ss,fff", CultureInfo.InvariantCulture)}\t{level} {file}:{line} in {function} -- {message}");
    }
}
