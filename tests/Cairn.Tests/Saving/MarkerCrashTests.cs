using System.IO.Hashing;
using System.Runtime.InteropServices;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>For every call that changes an object store, and every answer that is lost: what was committed is found.</summary>
public class MarkerCrashTests
{
    // For every call that changes the store: the process is killed before or after it, and whatever was committed is found; the run goes on, and nothing is left over.
    [Theory, InlineData("cairn", false), InlineData("cairn", true), InlineData("internlm", false), InlineData("internlm", true)]
    [InlineData("cairn", false, true), InlineData("cairn", true, true)]
    public void Whatever_was_committed_survives_a_kill_at_any_call(string layout, bool losesAnswer, bool shares = false)
    {
        var whole = new MemoryRunStore();
        int calls = SaveAll(whole, layout, out _, shares);
        whole.Changes.Count(change => change.Change == StoreChange.Copy).ShouldBe(shares ? 5 : 0);
        calls.ShouldBeGreaterThan(60);
        var tried = new HashSet<UInt128>();
        foreach (int at in RandomFaults.Some(Enumerable.Range(0, calls)))
        {
            var store = new MemoryRunStore { FailsAt = at, LosesAnswer = losesAnswer, IsKilledThere = true };
            _ = SaveAll(store, layout, out long promised, shares);
            string story = $"{(losesAnswer ? "after" : "before")} call {at}: {store.Changes.Last()}";
            // A kill during the recovery loses nothing either.
            int recovery = Recovered(store.Copy());
            for (int again = 0; again <= recovery; again++)
            {
                var next = new MemoryRunStore(store.Objects) { FailsAt = again, LosesAnswer = losesAnswer, IsKilledThere = true };
                Should.NotThrow(() => Recovered(next), story);
                if (tried.Add(Digest(next, promised)))
                    Check(next.Copy(), layout, promised, $"{story}, then {again} of the recovery");
            }
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_store_that_fails_once_costs_no_more_than_that_save(bool losesAnswer)
    {
        int calls = SaveAll(new MemoryRunStore(), "cairn", out _);
        for (int at = 0; at < calls; at++)
        {
            var store = new MemoryRunStore { FailsAt = at, LosesAnswer = losesAnswer };
            _ = SaveAll(store, "cairn", out long promised);
            Found(store, "cairn").ShouldBeGreaterThanOrEqualTo(promised, $"call {at}");
            Check(store, "cairn", promised, $"call {at}");
        }
    }

    static int Recovered(MemoryRunStore store)
    {
        try
        {
            new MarkerPublisher(store).Recover();
        }
        catch (IOException)
        {
            // Killed.
        }
        return store.Changes.Count;
    }

    static void Check(MemoryRunStore store, string layout, long promised, string story)
    {
        Found(store, layout).ShouldBeGreaterThanOrEqualTo(promised, story);
        var publisher = new MarkerPublisher(store);
        publisher.Recover();
        Found(store, layout).ShouldBeGreaterThanOrEqualTo(promised, story + ", after recovery");
        var run = new SampleRun(lease => new MarkerPublisher(store, lease), layout);
        run.Save(SaveKind.Snapshot, 1000);
        Found(store, layout).ShouldBe(1000, story);
        run.Save(SaveKind.Snapshot, 1001);
        run.Save(SaveKind.Checkpoint, 1002);
        Found(store, layout).ShouldBe(1002, story);
        CatalogEntry[] entries = [.. Catalog.Read(publisher.Files).Entries];
        entries.ShouldAllBe(entry => entry.Marker != null, story);
        store.Objects.Keys.Count(path => !path.StartsWith(RunFolder.Abandoned, StringComparison.Ordinal)).ShouldBe(entries.Sum(entry => entry.Marker!.Files.Count + 1), story);
    }

    // Goes on after a save that fails, as training does. What was promised last is what must be found.
    static int SaveAll(MemoryRunStore store, string layout, out long promised, bool shares = false)
    {
        promised = 0;
        var publisher = new MarkerPublisher(store);
        var run = new SampleRun(_ => publisher, layout) { Shares = shares };
        (SaveKind Kind, long Step)[] saves =
        [
            (SaveKind.Snapshot, 10), (SaveKind.Snapshot, 20), (SaveKind.Checkpoint, 30), (SaveKind.Snapshot, 40), (SaveKind.Snapshot, 50), (SaveKind.Checkpoint, 60),
        ];
        foreach ((SaveKind kind, long step) in saves)
        {
            if (step == 60 && !Tried(() => publisher.Retire(30)))
                continue;
            if (Tried(() => run.Save(kind, step)))
                promised = step;
        }
        return store.Changes.Count;
    }

    static bool Tried(Action save)
    {
        try
        {
            save();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    static long Found(MemoryRunStore store, string layout) => new SampleRun(lease => new MarkerPublisher(store, lease), layout).Choose().Chosen?.Step ?? 0;

    // Attempts have other names each time.
    static UInt128 Digest(MemoryRunStore store, long promised)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        var hash = new XxHash128(promised);
        foreach ((string path, byte[] bytes) in store.Objects.OrderBy(file => string.Join('/', file.Key.Split('/').Select(name => name.StartsWith('~') ? "~" : name)), StringComparer.Ordinal))
        {
            string plain = string.Join('/', path.Split('/').Select(name => name.StartsWith('~') ? names.TryGetValue(name, out string? known) ? known : names[name] = $"~{names.Count}" : name));
            hash.Append(MemoryMarshal.AsBytes($"{plain}\0{bytes.Length}\0".AsSpan()));
        }
        return hash.GetCurrentHashAsUInt128();
    }
}
