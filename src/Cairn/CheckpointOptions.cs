using System.ComponentModel.DataAnnotations;

namespace Cairn;

/// <summary>What a run saves, when, where, and what it resumes from.</summary>
public partial class CheckpointOptions
{
    /// <summary>The run's folder, or its address in a store that is registered (<see cref="Stores.RunStores"/>), such as <c>s3://bucket/prefix</c>. A leading <c>~</c> is the home folder, as in all paths here. Must be set, unless <see cref="Store"/> is.</summary>
    public string Folder { get; set; } = "";

    /// <summary>Where the run lives instead of in <see cref="Folder"/>: an object store, say. Default <see langword="null"/>: in the folder.</summary>
    public Stores.IRunStore? Store { get; set; }

    /// <summary>
    /// A folder of this machine that is quicker than <see cref="Folder"/>, such as one on an NVMe disk or in <c>/dev/shm</c>, which takes each copy first; it is then brought to the run's folder or store
    /// behind training's back, also by the next start when this process dies before. It holds at most two copies, beside the one that is being written, and each run has a folder of its own in it. In a job
    /// of many hosts, each has such a folder. Default <see langword="null"/>: copies are written to the run at once.
    /// </summary>
    public string? FastFolder { get; set; }

    /// <summary>
    /// How many other hosts also keep what a host has in its <see cref="FastFolder"/>: with 1, each rank sends its files to a rank of the next host, and a host that is lost takes nothing with it although
    /// the run's folder or store has not got it yet. 0 or 1; in a job of several hosts only. Default 0.
    /// </summary>
    [Range(0, 1)]
    public int Replicas { get; set; }

    /// <summary>Bytes that each rank sends to another host in a second, at most, for <see cref="Replicas"/>. Default <see langword="null"/>: no limit.</summary>
    [Range(1d, long.MaxValue)]
    public long? ReplicaBytesPerSecond { get; set; }

    /// <summary>
    /// The layout of the files that are written: <c>cairn</c> (safetensors and JSON), or <c>internlm</c> (files of PyTorch as InternLM and InternEvo save and load them).
    /// Copies of every layout are resumed from. One of your own: <see cref="Layouts.CheckpointLayouts.Register"/>. Default <c>cairn</c>.
    /// </summary>
    public string Layout { get; set; } = Layouts.CheckpointLayouts.Default;

    /// <summary>Whether anything is saved. Resuming works all the same. Default <see langword="true"/>.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Number of steps to train. Default <see langword="null"/>: no planned end.</summary>
    [Range(1d, long.MaxValue)]
    public long? TotalSteps { get; set; }

    /// <summary>Steps between checkpoints. Default 1000; <see langword="null"/> for none by steps.</summary>
    [Range(1d, long.MaxValue)]
    public long? CheckpointEvery { get; set; } = 1000;

    /// <summary>Time between checkpoints, besides <see cref="CheckpointEvery"/>. Default <see langword="null"/>: none by time.</summary>
    public TimeSpan? CheckpointInterval { get; set; }

    /// <summary>
    /// As <see cref="SnapshotEvery"/>, <c>auto</c> in configuration: no interval. The next snapshot begins at the end of the first step at which the last save is complete and the time for which training waits for saves, as it
    /// was measured so far, keeps within <see cref="SnapshotStallBudget"/>. One that would not be complete before the next checkpoint is due, or before training ends, is not begun. Checkpoints are not touched by it.
    /// </summary>
    public const long Auto = long.MinValue;

    /// <summary>
    /// Steps between snapshots, at least 1; 0 for none by steps; <see cref="Auto"/> for as many as the store takes. Default <see langword="null"/>: a fifth of <see cref="CheckpointEvery"/>,
    /// at least 1, and none without it or with <see cref="CheckpointPolicy"/>.
    /// </summary>
    public long? SnapshotEvery { get; set; }

    /// <summary>
    /// The share of the time for which training may wait for saves of either kind before the next snapshot begins, where <see cref="SnapshotEvery"/> is <see cref="Auto"/>: 0.01 is one percent. Above 0 and below 1. In a job
    /// the rank counts that waited longest. An exceptional wait, such as for a store that hung, is remembered for an hour at most. Default 0.01.
    /// </summary>
    public double SnapshotStallBudget { get; set; } = DefaultStallBudget;

    /// <summary>Time since the last snapshot or checkpoint after which a snapshot is due, besides <see cref="SnapshotEvery"/>. Default <see langword="null"/>: none by time.</summary>
    public TimeSpan? SnapshotInterval { get; set; }

    /// <summary>A rule of your own for checkpoints, in place of <see cref="CheckpointEvery"/> and <see cref="CheckpointInterval"/>. Default <see langword="null"/>: these.</summary>
    public Policies.ISavePolicy? CheckpointPolicy { get; set; }

    /// <summary>A rule of your own for snapshots, in place of <see cref="SnapshotEvery"/> and <see cref="SnapshotInterval"/>. Default <see langword="null"/>: these.</summary>
    public Policies.ISavePolicy? SnapshotPolicy { get; set; }

    /// <summary>Whether training goes on while a save is written; it waits only for the copy of its state. Default <see langword="true"/>.</summary>
    public bool Asynchronous { get; set; } = true;

    /// <summary>
    /// Whether tensors that change in the update alone are still copied while the next batch is computed. The program then calls <see cref="CheckpointManager.BeforeUpdate"/> before each
    /// <c>optimizer.step()</c>, which waits only for what is left; one that forgets it is told so at the end of the batch. For saves in the background. Default <see langword="false"/>.
    /// </summary>
    public bool OverlapCapture { get; set; }

    /// <summary>
    /// Whether a file that has the bytes of the copy before becomes that file once more, by a hard link or by a copy within the object store, instead of being written again. What training does not
    /// change (<c>requires_grad = false</c>) gets a file of its own for it, from 1 MiB on. Each copy stays a folder that needs no other. Where the store can do neither, files are written as ever. Default <see langword="true"/>.
    /// </summary>
    public bool ShareUnchanged { get; set; } = true;

    /// <summary>Whether the run resumes from its own newest good checkpoint or snapshot, if it has one, before <see cref="ResumeFrom"/> is looked at. Default <see langword="true"/>.</summary>
    public bool AutoResume { get; set; } = true;

    /// <summary>Where to begin: a step of this run, the folder of a checkpoint, or the folder of a run, each also as an address in a store that is registered; or what another program saved (a file of
    /// PyTorch or safetensors, a model of Hugging Face, a distributed checkpoint, …), of which <see cref="ResumeParts"/> names the parts. Default <see langword="null"/>: from scratch.</summary>
    public string? ResumeFrom { get; set; }

    /// <summary>Names of the parts to take from <see cref="ResumeFrom"/>, for example <c>model</c>. Default empty: all.</summary>
    public IList<string> ResumeParts { get; set; } = [];

    /// <summary>
    /// Entries that the copy named by <see cref="ResumeFrom"/> may lack, or have in another shape or type, such as those of a new head: patterns with <c>*</c> and <c>?</c> over the names within a part,
    /// for example <c>head.*</c>. They keep the values with which the program was built, and are listed in <see cref="ResumeReport.KeptAsBuilt"/>. Default empty: everything must fit.
    /// </summary>
    public IList<string> ResumeAllowMissing { get; set; } = [];

    /// <summary>Entries that the copy named by <see cref="ResumeFrom"/> may have and the program lack, such as those of the old head; patterns as above. They are listed in <see cref="ResumeReport.NotTaken"/>. Default empty: none.</summary>
    public IList<string> ResumeAllowUnexpected { get; set; } = [];

    /// <summary>
    /// Which holds where the saved state and the program say different settings: learning rate, weight decay, milestones, the seed of the sample order. Default
    /// <see cref="State.SettingsSource.Saved"/>: the run goes on bit for bit as it would have. What differs is reported either way (<see cref="ResumeReport.Settings"/>).
    /// </summary>
    public State.SettingsSource ResumeSettings { get; set; }

    /// <summary>Name of the branch that a resume from an older step opens. Default <see langword="null"/>: named by the run.</summary>
    public string? Branch { get; set; }

    /// <summary>File that is looked at about ten times a second, beside training, for a command: <c>N</c> or <c>+N</c> saves at step N and stops, <c>-N</c> saves and goes on. Default <see langword="null"/>: none.</summary>
    public string? StopFile { get; set; }

    /// <summary>Whether SIGTERM, SIGINT, SIGHUP and SIGUSR1 lead to a last checkpoint and an orderly stop, of all ranks when they reach any one. Default <see langword="true"/>.</summary>
    public bool HandleSignals { get; set; } = true;

    /// <summary>Time from such a signal until the process is killed, as the scheduler is set; waits for other ranks end with it. Default <see langword="null"/>: not known, <see cref="RankTimeout"/> alone counts.</summary>
    public TimeSpan? StopGrace { get; set; }

    /// <summary>
    /// How long the store may give no sign of life in one operation of a save (a block, an <c>fsync</c>, a rename) before it counts as hanging. Then the save has failed as far as training
    /// is concerned, the error names folder and operation, training goes on, and saves succeed again when the store answers. In a job of many ranks <see cref="RankTimeout"/> counts. Default 10 minutes.
    /// </summary>
    public TimeSpan StoreTimeout { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// How long ranks wait for one another: at the end of a batch for the slowest to come there, in a save for the slowest to write its files. Then the missing
    /// ranks are named, and the save or the training ends with an error. Default 10 minutes.
    /// </summary>
    public TimeSpan RankTimeout { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// Time without a heartbeat after which another process may take the run's lock over, and for which a start waits when a process of another host, or of
    /// before a reboot, was lost with the lock; the heartbeat comes six times as often. 1 second to 10 minutes. Default 30 seconds.
    /// </summary>
    public TimeSpan LeaseDuration { get; set; } = Stores.RunLock.DefaultLease;

    /// <summary>
    /// Name of a metric (see <see cref="TrainState.Metrics"/>): whenever it is better than at every checkpoint before, the state of that step is saved as a checkpoint, which no rule for keeping
    /// removes while it is the best. Set the metric after <see cref="TrainState.CompleteStep"/> and before <see cref="CheckpointManager.AfterBatch"/>; in a job the first rank's value counts. What was the
    /// best before is an ordinary checkpoint: the Keep rules decide on it, and without one it stays. Default <see langword="null"/>: no checkpoint is saved because of a metric.
    /// </summary>
    public string? SaveBestMetric { get; set; }

    /// <summary>Whether a higher <see cref="SaveBestMetric"/> is better. Default <see langword="false"/>: lower is better, as for a loss.</summary>
    public bool SaveBestHigher { get; set; }

    /// <summary>By more than this the metric must be better than the best before it, in its own unit. Default 0.</summary>
    [Range(0d, double.MaxValue)]
    public double SaveBestMinDelta { get; set; }

    /// <summary>
    /// Whether <see cref="CheckpointManager.Complete"/> puts the weights of the best checkpoint into the model (the part <c>model</c>), in place and verified, once the end is saved; not when the run was told
    /// to stop. What Keras calls <c>restore_best_weights</c>. Default <see langword="false"/>.
    /// </summary>
    public bool LoadBestModelAtEnd { get; set; }

    /// <summary>Checkpoints to keep, counted from the newest; at least 2. A checkpoint stays when any of the Keep rules keeps it. Default <see langword="null"/>: no such rule; without any rule all stay.</summary>
    [Range(2, int.MaxValue)]
    public int? KeepLast { get; set; }

    /// <summary>Keeps the checkpoints whose step is a multiple of this. Default <see langword="null"/>: no such rule.</summary>
    [Range(1d, long.MaxValue)]
    public long? KeepEvery { get; set; }

    /// <summary>Keeps the first checkpoint of every stretch of this length, such as six hours. Default <see langword="null"/>: no such rule.</summary>
    public TimeSpan? KeepEach { get; set; }

    /// <summary>
    /// Keeps fewer checkpoints the older they are: counted in stretches of so many steps, the newest 4, of those up to twice as old every second, up to four times as old every fourth, and so on. Usually the steps between
    /// checkpoints. Default <see langword="null"/>: no such rule.
    /// </summary>
    [Range(1d, long.MaxValue)]
    public long? KeepSpread { get; set; }

    /// <summary>
    /// Keeps this many checkpoints, the best by <see cref="KeepBestMetric"/>, and those that have no value of it for their own step. Default
    /// <see langword="null"/>: no such rule.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int? KeepBest { get; set; }

    /// <summary>Name of the metric (see <see cref="TrainState.Metrics"/>) for <see cref="KeepBest"/>. Default <see langword="null"/>: <see cref="SaveBestMetric"/>, with <see cref="SaveBestHigher"/>.</summary>
    public string? KeepBestMetric { get; set; }

    /// <summary>Whether a higher metric is better. Default <see langword="false"/>: lower is better, as for a loss.</summary>
    public bool KeepBestHigher { get; set; }

    /// <summary>Bytes that all checkpoints together may take; the oldest go first, also those that another rule keeps. Default <see langword="null"/>: no limit.</summary>
    [Range(1d, long.MaxValue)]
    public long? KeepWithinBytes { get; set; }

    /// <summary>
    /// Checkpoints that keep all, counted from the newest; at least 2. Older ones keep their weights and lose what only a restart needs: the parts <c>optimizer</c>, <c>scheduler</c>, <c>scaler</c>, <c>sampler</c>, <c>random</c> and <c>loader</c>, and those
    /// whose names begin with one of these and <c>_</c>. A restart never takes such a checkpoint; by name it gives the parts that it has (<see cref="ResumeFrom"/> with <see cref="ResumeParts"/>). Which checkpoints stay at all, the Keep rules say. For the
    /// layout <c>cairn</c>. Default <see langword="null"/>: all keep all.
    /// </summary>
    [Range(2, int.MaxValue)]
    public int? KeepOptimizer { get; set; }

    /// <summary>A rule of your own for keeping checkpoints, in place of all Keep rules. The newest checkpoint stays whatever it says. Default <see langword="null"/>: the Keep rules.</summary>
    public Policies.IRetentionPolicy? RetentionPolicy { get; set; }

    /// <summary>Whether a snapshot is refused whose weights hold NaN or infinity, so that good state is not replaced by bad. Default <see langword="true"/>.</summary>
    public bool RefuseNonFiniteSnapshots { get; set; } = true;

    /// <summary>Whether a failed save ends training. Default <see langword="false"/>: it is reported and tried again when the next save is due.</summary>
    public bool FailOnError { get; set; }

    /// <summary>Whether the hashes of all files are compared before a resume. Default <see langword="true"/>; sizes are always compared.</summary>
    public bool VerifyHashes { get; set; } = true;

    /// <summary>Whether a small file is written and read back at the start, so that a store which refuses is found before hours of training. Default <see langword="true"/>.</summary>
    public bool ProbeStore { get; set; } = true;

    /// <summary>
    /// Web addresses that are told what a person wants to hear of at once: a save that failed, no durable copy for long, training that stands still, an older copy that had to be taken, the end. Slack's
    /// (<c>https://hooks.slack.com/…</c>) and Feishu's (<c>https://open.feishu.cn/…</c>) get messages in their forms, all others a JSON object; <c>slack:</c>, <c>feishu:</c> or <c>json:</c> before the
    /// address says which. Training never waits for them. Of many ranks the first sends. See docs/alerts.md. Default empty: none.
    /// </summary>
    public IList<string> Alerts { get; set; } = [];

    /// <summary>A receiver of alerts of your own, besides <see cref="Alerts"/>. Default <see langword="null"/>: none.</summary>
    public Cairn.Alerts.IAlertSink? AlertSink { get; set; }

    /// <summary>Time without a new durable copy, while steps are made, after which an alert is sent. Default <see langword="null"/>: no such alert.</summary>
    public TimeSpan? AlertCopyAge { get; set; }

    /// <summary>Time without the end of a batch, or a call of <see cref="CheckpointManager.Poll"/>, after which an alert is sent. Default 30 minutes; <see langword="null"/> for no such alert.</summary>
    public TimeSpan? AlertSilence { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>Time in which one alert of a kind is sent at most. Those between are held back: the newest is sent when the time is over, and says how many there were. Default 10 minutes; zero for all.</summary>
    public TimeSpan AlertInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// A folder into which the first rank writes an event file for TensorBoard while the run trains: loss, learning rate, tokens per second, the run's own metrics (<see cref="TrainState.Metrics"/>), and what
    /// saves cost. Training never waits for it. A resumed run goes on in the same folder with a file of its own, and TensorBoard drops what is made again. <see cref="TrainState.LogFolder"/> names it in
    /// each copy. Default <see langword="null"/>: none; <c>cairn export</c> makes one of the journal afterwards.
    /// </summary>
    public string? TensorBoardFolder { get; set; }

    /// <summary>Whether large files are written past the system's page cache, which is faster for new files and leaves the cache to the training data. For a folder only.</summary>
    public Stores.DirectIO DirectIO { get; set; }
}
