using Cairn.Stores;

namespace Cairn.Tests.Stores;

public class SpareMemoryTests
{
    private const long MiB = 1 << 20;

    [Fact]
    public void An_eighth_of_all_memory_stays_free()
    {
        long used = 1024 * MiB;
        var spare = new SpareMemory(() => (4096 * MiB, used));
        while (spare.TryTake(16 * MiB))
            used += 16 * MiB;
        used.ShouldBeInRange((4096 - 512 - 256) * MiB, (4096 - 512 + 64) * MiB);
    }

    [Fact]
    public void What_others_take_meanwhile_is_seen()
    {
        long used = 0;
        var spare = new SpareMemory(() => (4096 * MiB, used));
        spare.TryTake(512 * MiB).ShouldBeTrue();
        used = 3300 * MiB;
        spare.TryTake(512 * MiB).ShouldBeFalse();
        used = 512 * MiB;
        spare.TryTake(512 * MiB).ShouldBeTrue();
    }

    [Fact]
    public void This_machine_has_some_and_not_everything()
    {
        var spare = new SpareMemory();
        spare.TryTake(1 << 20).ShouldBeTrue();
        spare.TryTake(GC.GetGCMemoryInfo(GCKind.Any).TotalAvailableMemoryBytes).ShouldBeFalse();
    }
}
