using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;
using CsCheck;

namespace Cairn.Tests.Saving;

/// <summary>
/// Random histories of a run, on a disk and in an object store: saves whose files are shared, retirements, optimizers that go, pins, kills, power cuts and full disks, in any order. After each event a simple model says
/// what must stand: the newest copy that was promised, what is pinned, and every checkpoint that no rule let go; each whole, and the bytes of all together counted once.
/// </summary>
public class RunHistoryTests
{
    // Of each of the two.
    static readonly int Histories = RandomFaults.Count(some: 150, all: 1000);

    /// <summary>What can happen.</summary>
    public enum Event { Checkpoint, Snapshot, ChangeBase, Retire, DropOptimizers, Pin, Release, Restart }

    /// <summary>How an event may be disturbed.</summary>
    public enum Trouble { None, Kill, PowerCut, FullDisk }

    /// <summary>One event of a history.</summary>
    /// <param name="What">What happens.</param>
    /// <param name="Number">Which copy is meant, or how many.</param>
    /// <param name="Trouble">What comes between.</param>
    /// <param name="At">At which operation, or how much room is missing.</param>
    public sealed record Step(Event What, int Number, Trouble Trouble, int At);

    static readonly Gen<Step> Steps = Gen.Select(
        Gen.Frequency((6, Gen.Const(Event.Checkpoint)), (6, Gen.Const(Event.Snapshot)), (1, Gen.Const(Event.ChangeBase)), (3, Gen.Const(Event.Retire)), (2, Gen.Const(Event.DropOptimizers)), (2, Gen.Const(Event.Pin)), (1, Gen.Const(Event.Release)), (1, Gen.Const(Event.Restart))),
        Gen.Int[0, 9],
        Gen.Frequency((10, Gen.Const(Trouble.None)), (3, Gen.Const(Trouble.Kill)), (2, Gen.Const(Trouble.PowerCut)), (1, Gen.Const(Trouble.FullDisk))),
        Gen.Int[0, 60],
        static (what, number, trouble, at) => new Step(what, number, trouble, at));

    [Fact]
    public void On_a_disk_nothing_is_lost_that_somebody_needs_and_no_byte_is_counted_twice() =>
        Gen.Select(Steps.Array[5, 25], Gen.Bool, Gen.Int[1, 1_000_000]).Sample((steps, canExchange, seed) => new History(new DiskGround(canExchange, seed)).Play(steps), iter: Histories, threads: 1);

    [Fact]
    public void In_an_object_store_nothing_is_lost_that_somebody_needs_and_no_byte_is_counted_twice() =>
        Gen.Select(Steps.Array[5, 25], Gen.Bool).Sample((steps, losesAnswer) => new History(new StoreGround(losesAnswer)).Play(steps), iter: Histories, threads: 1);

    /// <summary>Where a run lives, as one process after the other sees it.</summary>
    abstract class Ground
    {
        public abstract IRunFiles Files { get; }
        public abstract ICopyPublisher Publisher();

        /// <summary>Does something, in trouble.</summary>
        /// <returns>Whether it was done; when not, the process has ended or the disk refused.</returns>
        public abstract bool Try(Step step, Action<ICopyPublisher, IRunFiles> act, out bool isDead);

        /// <summary>Bytes of some files, those with several names once.</summary>
        public abstract long BytesOf(IEnumerable<string> paths);

        protected static bool Does(Action act)
        {
            try
            {
                act();
                return true;
            }
            catch (Exception e) when (e is IOException or StoreException or CheckpointException)
            {
                return false;
            }
        }
    }

    sealed class DiskGround(bool canExchange, int seed) : Ground
    {
        const int MostStates = 8;

        readonly Random _random = new(seed);
        SimulatedFileSystem _disk = new() { CanExchange = canExchange };

        public override IRunFiles Files => _disk;
        public override ICopyPublisher Publisher() => new RenamePublisher(_disk);

        public override bool Try(Step step, Action<ICopyPublisher, IRunFiles> act, out bool isDead)
        {
            isDead = step.Trouble is Trouble.Kill or Trouble.PowerCut;
            if (step.Trouble == Trouble.FullDisk)
                _disk.Capacity = _disk.AllFiles().Sum(file => (long)file.Value.Length) + SpaceMaker.Reserve + (step.At - 30) * 300;
            int from = _disk.Operations.Count;
            IFileSystem files = isDead ? FaultyFileSystem.At(_disk, step.At, staysBroken: true) : _disk;
            bool done = Does(() => act(new RenamePublisher(files), files));
            _disk.Capacity = null;
            if (step.Trouble == Trouble.PowerCut)
            {
                // What was done is promised, and the power fails after it.
                int last = _disk.Operations.Count, at = done ? last : _random.Next(from, last + 1);
                CrashState[] states = [.. _disk.CrashStates(at, _random.Next()).TakeWhile(state => state.OperationCount == at).Take(MostStates)];
                if (states.Length > 0)
                    _disk = states[_random.Next(states.Length)].FileSystem;
            }
            return done;
        }

        public override long BytesOf(IEnumerable<string> paths) => paths.Select(path => _disk.Identify(path)!.Value).Distinct().Sum(file => file.Length);
    }

    sealed class StoreGround(bool losesAnswer) : Ground
    {
        MemoryRunStore _store = new();

        public override IRunFiles Files => new StoreRunFiles(_store);
        public override ICopyPublisher Publisher() => new MarkerPublisher(_store);

        public override bool Try(Step step, Action<ICopyPublisher, IRunFiles> act, out bool isDead)
        {
            isDead = step.Trouble is Trouble.Kill or Trouble.PowerCut;
            if (isDead)
                _store = new MemoryRunStore(_store.Objects) { FailsAt = step.At, LosesAnswer = losesAnswer, IsKilledThere = true };
            MemoryRunStore store = _store;
            bool done = Does(() => act(new MarkerPublisher(store), new StoreRunFiles(store)));
            if (isDead)
                _store = store.Copy();
            return done;
        }

        public override long BytesOf(IEnumerable<string> paths) => paths.Sum(path => (long)_store.Objects[path].Length);
    }

    /// <summary>The run, and the model of what must stand.</summary>
    sealed class History(Ground ground)
    {
        static readonly RunRecord Record = new("run", DateTimeOffset.UnixEpoch, Lineage.New, null);

        readonly List<string> _story = [];
        readonly SortedSet<long> _checkpoints = [];
        // By the hash of their markers.
        readonly Dictionary<string, long> _pinned = new(StringComparer.Ordinal);
        FormerFiles _former = new();
        ICopyPublisher _publisher = ground.Publisher();
        KnownCopies _known = new();
        long _step, _promised;
        byte _base;

        string Story => string.Join("; ", _story);

        public void Play(Step[] steps)
        {
            foreach (Step step in steps)
            {
                _story.Add($"{step.What} {step.Number}{(step.Trouble == Trouble.None ? "" : $" ({step.Trouble} at {step.At})")}");
                Happens(step);
                Check();
            }
        }

        void Happens(Step step)
        {
            switch (step.What)
            {
                case Event.Checkpoint or Event.Snapshot:
                    Save(step, step.What == Event.Checkpoint ? SaveKind.Checkpoint : SaveKind.Snapshot);
                    break;
                case Event.ChangeBase:
                    _base++;
                    break;
                case Event.Retire:
                    Retire(step, keepLast: 2 + step.Number % 3, keepOptimizer: null);
                    break;
                case Event.DropOptimizers:
                    Retire(step, keepLast: null, keepOptimizer: 2);
                    break;
                case Event.Pin:
                    Pin(step);
                    break;
                case Event.Release when _pinned.Count > 0:
                    long released = _pinned.Values.ElementAt(step.Number % _pinned.Count);
                    CheckpointPins.Release(ground.Files, released, TimeProvider.System);
                    foreach ((string digest, _) in _pinned.Where(pin => pin.Value == released).ToArray())
                        _pinned.Remove(digest);
                    break;
                case Event.Restart:
                    Restart([], []);
                    break;
            }
        }

        void Save(Step step, SaveKind kind)
        {
            _step += 10;
            long saved = _step;
            List<(string, StateMap)> parts =
            [
                ("model", new StateMap { { "w", new MemoryTensor(TensorType.I64, [1], BitConverter.GetBytes(saved)) } }),
                ("base", new StateMap { { "b", new MemoryTensor(TensorType.U8, [FormerFiles.LeastBytes], Enumerable.Repeat(_base, (int)FormerFiles.LeastBytes).ToArray()) } }),
                ("optimizer", new StateMap { { "m", new MemoryTensor(TensorType.I64, [1], BitConverter.GetBytes(saved)) } }),
            ];
            Marker marker = SampleRun.MarkerOf(Record, kind, saved, CheckpointLayouts.Default);
            bool done = ground.Try(step, (publisher, _) => new CommitProtocol(step.Trouble is Trouble.None or Trouble.FullDisk ? _publisher : publisher, static () => TimeSpan.Zero, _former)
                .Save(marker, CheckpointLayouts.Of(CheckpointLayouts.Default).Plan(saved, parts), refuseNonFinite: true), out bool isDead);
            if (done)
            {
                _promised = saved;
                if (kind == SaveKind.Checkpoint)
                    _checkpoints.Add(saved);
            }
            if (isDead)
                Restart([], kind == SaveKind.Checkpoint ? [saved] : []);
        }

        void Retire(Step step, int? keepLast, int? keepOptimizer)
        {
            // As after the save of a checkpoint: the newest copy is one.
            if (_checkpoints.Count == 0 || _checkpoints.Max != _promised)
                return;
            CatalogEntry newest = Catalog.Read(ground.Files).Entries.First(entry => entry.Kind == SaveKind.Checkpoint && entry.Step == _promised);
            HashSet<long> stay = keepLast is { } keep ? [.. _checkpoints.TakeLast(keep), .. _checkpoints.Where(_pinned.ContainsValue)] : [.. _checkpoints];
            bool done = ground.Try(step, (publisher, files) =>
            {
                RetirementResult result = new Retirement(files, _known, keepLast is null ? null : Retention.KeepLast(keepLast.Value), null, keepOptimizer, TimeProvider.System).Run(publisher, newest.Marker!, []);
                if (result.Error is { } error)
                    throw new IOException(error.Message);
            }, out bool isDead);
            long[] goes = [.. _checkpoints.Where(own => !stay.Contains(own))];
            if (done)
                _checkpoints.IntersectWith(stay);
            if (isDead || !done)
                Restart(done ? [] : goes, []);
        }

        void Pin(Step step)
        {
            CatalogEntry[] entries = [.. Catalog.Read(ground.Files).Entries.Where(entry => entry.Marker is not null)];
            if (entries.Length == 0)
                return;
            CatalogEntry entry = entries[step.Number % entries.Length];
            CheckpointPin? pin = null;
            bool done = ground.Try(step, (_, files) => pin = new PinWriter(files, TimeProvider.System).Pin(entry, "test", null), out bool isDead);
            if (done)
                _pinned[pin!.Marker!] = entry.Step;
            if (isDead)
                Restart([], []);
        }

        // What a process finds that starts: what was promised, and of what was under way all or nothing.
        void Restart(IReadOnlyCollection<long> mayBeGone, IReadOnlyCollection<long> mayBeThere)
        {
            _publisher = ground.Publisher();
            _known = new KnownCopies();
            _publisher.Recover();
            HashSet<long> found = [.. Catalog.Read(ground.Files).Entries.Where(entry => entry is { Kind: SaveKind.Checkpoint, Marker: not null }).Select(entry => entry.Step)];
            foreach (long step in _checkpoints.Where(step => !mayBeGone.Contains(step)))
                found.ShouldContain(step, Story);
            foreach (long step in found)
                (_checkpoints.Contains(step) || mayBeThere.Contains(step)).ShouldBeTrue($"{step} of {Story}");
            _checkpoints.Clear();
            _checkpoints.UnionWith(found);
            // A pin that was written and not told of counts as well, and one whose release was not durable, if its copy is still there.
            foreach (CheckpointPin pin in CopyPins.Read(ground.Files).All.Where(pin => Catalog.Read(ground.Files).Entries.Any(entry => CopyPins.DigestOf(entry) == pin.Marker)))
                _pinned[pin.Marker!] = pin.Step;
            CatalogEntry? newest = Newest();
            _promised = Math.Max(_promised, newest?.Step ?? 0);
            _former = new FormerFiles();
            if (newest is { Marker: { } marker })
                _former.Remember(marker.FilesFolder(newest.Folder), marker.Files.Select(file => new FormerFile(file, _publisher.IdentityOf($"{marker.FilesFolder(newest.Folder)}/{file.Name}"), IsDurable: false)));
        }

        CatalogEntry? Newest() => Catalog.Read(ground.Files).Entries.FirstOrDefault(entry => entry.Marker is not null);

        void Check()
        {
            CatalogEntry[] entries = [.. Catalog.Read(ground.Files).Entries.Where(entry => entry.Marker is not null)];
            if (_promised > 0)
                entries[0].Step.ShouldBe(_promised, Story);
            foreach (CatalogEntry entry in entries)
                Verifier.Verify(ground.Files, entry, TestContext.Current.CancellationToken).ShouldBeNull($"{entry.Folder} of {Story}");
            foreach (string pin in _pinned.Keys)
                entries.ShouldContain(entry => CopyPins.DigestOf(entry) == pin, $"pinned step {_pinned[pin]} of {Story}");
            foreach (long step in _checkpoints)
                entries.ShouldContain(entry => entry.Kind == SaveKind.Checkpoint && entry.Step == step, $"checkpoint {step} of {Story}");
            entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Take(2).ShouldAllBe(entry => !entry.Marker!.IsWeightsOnly, Story);
            entries.Count(entry => entry.Slot is not null).ShouldBeLessThanOrEqualTo(RunFolder.Slots, Story);

            var shared = SharedFiles.Among(entries);
            var bytes = new DistinctBytes();
            foreach (CatalogEntry entry in entries)
                bytes.Add(entry.Marker!.Bytes, shared.Of(entry));
            ((long)bytes.Total).ShouldBe(ground.BytesOf(entries.SelectMany(entry => entry.Marker!.Files.Select(file => $"{entry.Marker.FilesFolder(entry.Folder)}/{file.Name}"))), Story);
        }
    }
}
