using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>What a start makes of saves that were cut off in a store.</summary>
public class InterruptedSavesTests
{
    // The store said twice that something was removed, and kept it: the marker of the replaced snapshot, and that its save is under way.
    [Theory, InlineData("cairn"), InlineData("internlm")]
    public void What_a_store_kept_of_an_older_save_does_not_win_over_a_newer_one(string layout)
    {
        var store = new MemoryRunStore();
        var run = new SampleRun(lease => new MarkerPublisher(store, lease), layout);
        run.Save(SaveKind.Snapshot, 10);
        run.Save(SaveKind.Snapshot, 20);
        KeyValuePair<string, byte[]>[] older = [.. store.Objects.Where(entry => entry.Key.StartsWith("snapshot/0/", StringComparison.Ordinal))];
        string attempt = older.Select(entry => entry.Key.Split('/')).First(path => path.Length == 4)[2];
        run.Save(SaveKind.Snapshot, 30);
        foreach ((string path, byte[] bytes) in (KeyValuePair<string, byte[]>[])[.. older, new($".staging/{attempt}", "save snapshot/0"u8.ToArray())])
            StoreCall.Wait(() => store.PutAsync(path, bytes));
        new MarkerPublisher(store).Recover();
        run.Choose().Chosen!.Step.ShouldBe(30);
        store.Objects.Keys.ShouldNotContain(path => path.Contains(attempt, StringComparison.Ordinal) || path.EndsWith("/10.step", StringComparison.Ordinal));
    }
}
