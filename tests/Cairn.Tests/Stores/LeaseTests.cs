using System.Diagnostics;
using Cairn.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Tests.Stores;

/// <summary>The lock's content is a lease: it decides where the system's lock does not, and is lost by whoever sleeps too long.</summary>
public sealed class LeaseTests : IDisposable
{
    private const int NotSupported = 95;

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    public LeaseTests() => Assert.SkipWhen(OperatingSystem.IsWindows(), "sharing decides there");

    private string LockFile => _folder[RunLock.FileName];

    private RunLockHolder Written => RunLockHolder.FromJson(UnlockedRead())!;

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, bool> Strangers => new() { { "host", true }, { "host", false }, { "boot", true }, { "boot", false }, { "namespace", true }, { "namespace", false } };

    [Theory, MemberData(nameof(Strangers))]
    public async Task A_holder_that_cannot_be_looked_up_and_is_silent_for_the_lease_is_taken_over(string stranger, bool hasSystemLock)
    {
        RunLockHolder dead = WriteStranger(stranger);
        TimeSpan begun = Elapsed;
        using RunLock held = await AdvanceUntilDone(AcquireAside(hasSystemLock));
        (Elapsed - begun).ShouldBeGreaterThanOrEqualTo(RunLock.DefaultLease);
        held.TookOverFrom.ShouldBe(dead);
        held.Holder.Fence.ShouldBe(dead.Fence + 1);
        Written.Token.ShouldBe(held.Holder.Token);
    }

    [Theory, MemberData(nameof(Strangers))]
    public async Task A_holder_that_cannot_be_looked_up_is_respected_when_its_heartbeat_moves(string stranger, bool hasSystemLock)
    {
        RunLockHolder alive = WriteStranger(stranger);
        var waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<RunLock> acquiring = AcquireAside(hasSystemLock, waits);
        await waits.Task;
        Write(alive with { Beat = alive.Beat + 1 });
        RunLockedException refused = await Should.ThrowAsync<RunLockedException>(() => AdvanceUntilDone(acquiring));
        refused.HolderHost.ShouldBe(alive.Host);
        Written.Token.ShouldBe(alive.Token);
    }

    [Fact]
    public async Task A_holder_that_lets_go_while_it_is_watched_is_not_waited_for_any_longer()
    {
        RunLockHolder ending = WriteStranger("host");
        var waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<RunLock> acquiring = AcquireAside(hasSystemLock: false, waits);
        await waits.Task;
        Write(ending with { IsReleased = true });
        using RunLock held = await AdvanceUntilDone(acquiring);
        held.TookOverFrom.ShouldBeNull();
    }

    [Fact]
    public async Task A_lock_file_that_a_power_cut_tore_is_taken_over_when_nobody_writes_it()
    {
        File.WriteAllText(LockFile, "{torn");
        using RunLock held = await AdvanceUntilDone(AcquireAside(hasSystemLock: false));
        Written.Token.ShouldBe(held.Holder.Token);
    }

    [Fact]
    public void A_heartbeat_overwrites_the_record_in_place_and_needs_no_space()
    {
        using RunLock held = Acquire();
        FileStatus file = FileStatus.At(LockFile)!.Value;
        long length = new FileInfo(LockFile).Length;
        _time.Advance(RunLock.DefaultLease / 6);
        _time.Advance(RunLock.DefaultLease / 6);
        Written.Beat.ShouldBe(2);
        Written.BeatTime.ShouldBe(_time.GetUtcNow());
        FileStatus.At(LockFile)!.Value.IsSameFile(file).ShouldBeTrue();
        new FileInfo(LockFile).Length.ShouldBe(length);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_lock_file_that_was_removed_or_replaced_by_its_copy_is_put_back_by_its_holder(bool replaced)
    {
        using RunLock held = Acquire();
        byte[] content = UnlockedRead();
        File.Delete(LockFile);
        if (replaced)
            File.WriteAllBytes(LockFile, content);
        _time.Advance(RunLock.DefaultLease / 6);
        Written.Token.ShouldBe(held.Holder.Token);
        Should.Throw<RunLockedException>(Acquire, "the system's lock is held on the new file as well").HolderProcessId.ShouldBe(Environment.ProcessId);
        ((ILease)held).Check();
        held.Dispose();
        Acquire().Dispose();
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_holder_whose_lock_another_took_finds_out_and_leaves_it_alone(bool atTheHeartbeat)
    {
        string? told = null;
        RunLock held = RunLock.Acquire(new LocalFileSystem(_folder.Path), _time, lost: reason => told = reason, cancellationToken: TestContext.Current.CancellationToken);
        File.Delete(LockFile);
        RunLock other = Acquire();
        if (atTheHeartbeat)
            _time.Advance(RunLock.DefaultLease / 6);
        RunLockLostException lost = Should.Throw<RunLockLostException>(((ILease)held).Check);
        lost.IsTransient.ShouldBeFalse();
        lost.Message.ShouldContain($"process {Environment.ProcessId}");
        told.ShouldBe(lost.Message);
        held.IsLost.ShouldBeTrue();
        held.Dispose();
        Written.Token.ShouldBe(other.Holder.Token);
        Written.IsReleased.ShouldBeFalse();
        ((ILease)other).Check();
        other.Dispose();
        Should.Throw<RunLockLostException>(((ILease)held).Check, "it does not come back");
    }

    [Fact]
    public void A_holder_that_slept_while_another_host_took_over_finds_out()
    {
        using RunLock held = Acquire();
        WriteStranger("host");
        Should.Throw<RunLockLostException>(((ILease)held).Check).Message.ShouldContain("'elsewhere'");
    }

    [Fact]
    public void A_heartbeat_that_cannot_be_written_ends_nothing()
    {
        string root = _folder["run"];
        using RunLock held = new LeaseAcquisition(root, _time, RunLock.DefaultLease, UnixCalls.Lock).Acquire(TestContext.Current.CancellationToken);
        Directory.Move(root, _folder["unmounted"]);
        _time.Advance(RunLock.DefaultLease);
        held.IsLost.ShouldBeFalse();
        Should.Throw<IOException>(((ILease)held).Check);
        Directory.Move(_folder["unmounted"], root);
        ((ILease)held).Check();
    }

    [Theory, InlineData("nothing"), InlineData("empty"), InlineData("released"), InlineData("dead")]
    public async Task Of_many_that_start_together_without_system_locks_one_wins(string before)
    {
        const int Contenders = 12;
        int rounds = RandomFaults.Count(some: 6, all: 25);
        for (int round = 0; round < rounds; round++)
        {
            Prepare(before);
            using var start = new Barrier(Contenders);
            RunLock?[] taken = await Together(Contenders, () =>
            {
                start.SignalAndWait();
                try
                {
                    return new LeaseAcquisition(_folder.Path, TimeProvider.System, RunLock.DefaultLease, _ => before == "empty" ? 0 : NotSupported).Acquire();
                }
                catch (RunLockedException)
                {
                    return null;
                }
            });
            RunLock winner = taken.OfType<RunLock>().ShouldHaveSingleItem();
            ((ILease)winner).Check();
            winner.Dispose();
        }
    }

    [Fact]
    public async Task Of_many_claims_of_many_hosts_on_one_record_one_takes_its_place()
    {
        const int Contenders = 12;
        int rounds = RandomFaults.Count(some: 8, all: 50);
        for (int round = 0; round < rounds; round++)
        {
            WriteStranger("host");
            LockReading old = LockReading.At(LockFile)!;
            using var start = new Barrier(Contenders);
            bool[] won = await Together(Contenders, () =>
            {
                using var claim = new LeaseClaim(_folder.Path, RunLockHolder.ThisProcess(_time) with { Token = Guid.NewGuid().ToString("N") }, _ => NotSupported);
                start.SignalAndWait();
                using Microsoft.Win32.SafeHandles.SafeFileHandle? handle = claim.TakePlaceOf(LockFile, old, (_, _) => false);
                return handle is not null;
            });
            won.Count(it => it).ShouldBe(1);
            Directory.GetFiles(_folder.Path).ShouldBe([LockFile]);
        }
    }

    [Fact]
    public void A_process_that_died_in_the_middle_of_a_claim_is_not_in_the_way()
    {
        RunLockHolder dead = WriteStranger("host") with { Host = Environment.MachineName, Boot = ProcessIdentity.Boot, PidNamespace = ProcessIdentity.PidNamespace, ProcessId = int.MaxValue };
        Write(dead);
        File.WriteAllBytes(_folder[$".lock.after-{dead.Token}"], (dead with { Token = "b" }).ToJson());
        File.WriteAllBytes(_folder[".lock.after-b"], (dead with { Token = "c" }).ToJson());
        using RunLock held = new LeaseAcquisition(_folder.Path, _time, RunLock.DefaultLease, _ => NotSupported).Acquire(TestContext.Current.CancellationToken);
        held.TookOverFrom.ShouldBe(dead);
        Directory.GetFiles(_folder.Path).ShouldBe([LockFile]);
    }

    [Fact]
    public void A_process_of_this_machine_holds_the_run_for_as_long_as_it_lives_where_the_system_has_no_locks()
    {
        using Process other = Process.Start(new ProcessStartInfo("cat") { RedirectStandardInput = true, UseShellExecute = false })!;
        RunLockHolder holder = WriteStranger("host") with { Host = Environment.MachineName, ProcessId = other.Id, StartTicks = ProcessIdentity.StartTicks(other.Id), Started = new DateTimeOffset(other.StartTime) };
        Write(holder);
        var acquisition = new LeaseAcquisition(_folder.Path, _time, RunLock.DefaultLease, _ => NotSupported);
        Should.Throw<RunLockedException>(() => acquisition.Acquire(TestContext.Current.CancellationToken)).HolderProcessId.ShouldBe(other.Id);
        other.StandardInput.Close();
        other.WaitForExit();
        using RunLock held = acquisition.Acquire(TestContext.Current.CancellationToken);
        held.TookOverFrom!.ProcessId.ShouldBe(other.Id);
    }

    private TimeSpan Elapsed => TimeSpan.FromTicks(_time.GetUtcNow().Ticks);

    private RunLock Acquire() => RunLock.Acquire(new LocalFileSystem(_folder.Path), _time);

    private Task<RunLock> AcquireAside(bool hasSystemLock, TaskCompletionSource? waits = null) => Aside(() => new LeaseAcquisition(
        _folder.Path, _time, RunLock.DefaultLease, hasSystemLock ? UnixCalls.Lock : _ => NotSupported, waiting: _ => waits?.TrySetResult()).Acquire());

    private async Task<RunLock> AdvanceUntilDone(Task<RunLock> acquiring)
    {
        while (!acquiring.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(0.5));
            await Task.Yield();
        }
        return await acquiring;
    }

    private static Task<T> Aside<T>(Func<T> action) => Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static Task<T[]> Together<T>(int count, Func<T> action) => Task.WhenAll(Enumerable.Range(0, count).Select(_ => Aside(action)));

    private void Prepare(string before)
    {
        File.Delete(LockFile);
        switch (before)
        {
            case "empty":
                File.WriteAllBytes(LockFile, []);
                break;
            case "released":
                Write(WriteStranger("host") with { IsReleased = true });
                break;
            case "dead":
                Write(WriteStranger("host") with { Host = Environment.MachineName, Boot = ProcessIdentity.Boot, PidNamespace = ProcessIdentity.PidNamespace, ProcessId = int.MaxValue });
                break;
        }
    }

    private RunLockHolder WriteStranger(string kind)
    {
        var holder = new RunLockHolder(Environment.ProcessId, kind == "host" ? "elsewhere" : Environment.MachineName, _time.GetUtcNow().AddDays(-1), "train", _time.GetUtcNow().AddDays(-1))
        {
            Boot = kind == "boot" ? "another boot" : ProcessIdentity.Boot,
            PidNamespace = kind == "namespace" ? "pid:[1]" : ProcessIdentity.PidNamespace,
            Token = Guid.NewGuid().ToString("N"),
            Fence = 7,
            Beat = 3,
            LeaseSeconds = RunLock.DefaultLease.TotalSeconds,
        };
        Write(holder);
        return holder;
    }

    // Not File.WriteAllBytes: .NET would ask for the system's lock, which the one who watches holds.
    private void Write(RunLockHolder holder)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle handle = RegularFile.OpenWrite(LockFile, out _);
        RandomAccess.Write(handle, holder.ToJson(), 0);
    }

    private byte[] UnlockedRead() => RegularFile.ReadAll(LockFile, 1 << 16);
}
