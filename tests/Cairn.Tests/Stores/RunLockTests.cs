using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Cairn.Stores;
using Microsoft.Extensions.Time.Testing;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Tests.Stores;

public sealed partial class RunLockTests : IDisposable
{
    private const int NotSupported = 95;

    private readonly string _root = Directory.CreateTempSubdirectory("cairn-").FullName;
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    private string LockFile => Path.Join(_root, RunLock.FileName);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void The_file_names_the_holder()
    {
        using RunLock held = Acquire();
        held.TookOverFrom.ShouldBeNull();
        using JsonDocument json = JsonDocument.Parse(ReadShared());
        json.RootElement.GetProperty("pid").GetInt32().ShouldBe(Environment.ProcessId);
        json.RootElement.GetProperty("host").GetString().ShouldBe(Environment.MachineName);
        json.RootElement.GetProperty("program").GetString().ShouldNotBeNullOrEmpty();
        json.RootElement.GetProperty("started").GetDateTimeOffset().Offset.ShouldBe(TimeSpan.Zero);
        json.RootElement.GetProperty("acquired").GetDateTimeOffset().ShouldBe(_time.GetUtcNow());
    }

    [Fact]
    public void A_second_manager_is_refused_and_told_who_holds_it()
    {
        using RunLock held = Acquire();
        RunLockedException refused = Should.Throw<RunLockedException>(Acquire);
        refused.HolderProcessId.ShouldBe(Environment.ProcessId);
        refused.HolderHost.ShouldBe(Environment.MachineName);
        refused.IsTransient.ShouldBeTrue();
        refused.Message.ShouldContain($"process {Environment.ProcessId}");
        refused.Message.ShouldContain(Environment.MachineName);
    }

    [Fact]
    public void A_clean_release_is_written_down_and_lets_the_next_one_in()
    {
        RunLock first = Acquire();
        first.Dispose();
        first.Dispose();
        RunLockHolder.FromJson(File.ReadAllBytes(LockFile)).ShouldNotBeNull().IsReleased.ShouldBeTrue();
        using RunLock second = Acquire();
        second.TookOverFrom.ShouldBeNull();
        second.Holder.Fence.ShouldBe(first.Holder.Fence + 1);
        (second.Holder.Token == first.Holder.Token).ShouldBeFalse();
    }

    [Fact]
    public void An_empty_file_of_before_there_were_heartbeats_is_a_free_lock()
    {
        File.WriteAllBytes(LockFile, []);
        using RunLock held = Acquire();
        held.TookOverFrom.ShouldBeNull();
    }

    [Fact]
    public void The_lock_of_a_process_that_died_is_taken_over()
    {
        RunLockHolder dead = WriteHolder(DeadProcess(), Environment.MachineName);
        using RunLock held = Acquire();
        held.TookOverFrom.ShouldBe(dead);
    }

    [Fact]
    public void Another_process_that_holds_the_lock_is_respected_until_it_is_killed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || !File.Exists("/usr/bin/flock"), "needs flock(1)");
        RunLockHolder other = WriteHolder(4242, "elsewhere");
        using var process = Process.Start(new ProcessStartInfo("/usr/bin/flock", ["-x", "-o", LockFile, "-c", "echo locked; read line"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        })!;
        process.StandardOutput.ReadLine().ShouldBe("locked");
        RunLockedException refused = Should.Throw<RunLockedException>(Acquire);
        refused.HolderProcessId.ShouldBe(4242);
        refused.HolderHost.ShouldBe("elsewhere");
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
        using RunLock held = Acquire();
        held.TookOverFrom.ShouldBe(other);
    }

    [Fact]
    public void A_child_process_does_not_inherit_the_lock()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs sh");
        RunLock first = Acquire();
        using var child = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "read line"]) { UseShellExecute = false, RedirectStandardInput = true })!;
        first.Dispose();
        using RunLock second = Acquire();
        child.StandardInput.Close();
        child.WaitForExit();
    }

    [Fact]
    public void A_process_that_is_being_started_does_not_keep_the_lock()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix only");
        // As a child has them between fork and exec: the same open files under descriptors of its own.
        var childs = new List<SafeFileHandle>();
        RunLock first = new LeaseAcquisition(_root, _time, RunLock.DefaultLease, handle =>
        {
            childs.Add(new SafeFileHandle(dup(handle), ownsHandle: true));
            return UnixCalls.Lock(handle);
        }).Acquire(TestContext.Current.CancellationToken);
        first.Dispose();
        Acquire().Dispose();
        childs.ForEach(static handle => handle.Dispose());
        childs.ShouldNotBeEmpty();
    }

    [LibraryImport("libc")]
    private static partial int dup(SafeFileHandle handle);

    [Fact]
    public void Without_system_locks_a_living_holder_is_respected()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix only");
        using RunLock held = AcquireWithoutLocks();
        Should.Throw<RunLockedException>(AcquireWithoutLocks).HolderProcessId.ShouldBe(Environment.ProcessId);
        held.Dispose();
        AcquireWithoutLocks().Dispose();
    }

    [Fact]
    public void Without_system_locks_a_dead_holder_on_this_host_is_replaced()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix only");
        RunLockHolder dead = WriteHolder(DeadProcess(), Environment.MachineName);
        using (RunLock held = AcquireWithoutLocks())
            held.TookOverFrom.ShouldBe(dead);
        RunLockHolder reused = WriteHolder(Environment.ProcessId, Environment.MachineName);
        using (RunLock held = AcquireWithoutLocks())
            held.TookOverFrom.ShouldBe(reused, "the id is that of a younger process");
    }

    [Fact]
    public void Without_system_locks_and_heartbeats_what_cannot_be_judged_is_refused_with_the_way_out()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix only");
        WriteHolder(1, "elsewhere");
        Should.Throw<RunLockedException>(AcquireWithoutLocks).Message.ShouldContain($"remove '{LockFile}'");
    }

    private RunLock Acquire() => RunLock.Acquire(new LocalFileSystem(_root), _time);

    [Theory, InlineData(95), InlineData(37), InlineData(38), InlineData(524), InlineData(5), InlineData(22)]
    public void Any_error_of_the_system_lock_but_that_somebody_has_it_means_that_there_is_none_here(int error)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix only");
        RunLock held = new LeaseAcquisition(_root, _time, RunLock.DefaultLease, _ => error).Acquire(TestContext.Current.CancellationToken);
        Should.Throw<RunLockedException>(() => new LeaseAcquisition(_root, _time, RunLock.DefaultLease, _ => error).Acquire(TestContext.Current.CancellationToken)).HolderProcessId.ShouldBe(Environment.ProcessId);
        held.Dispose();
        new LeaseAcquisition(_root, _time, RunLock.DefaultLease, _ => error).Acquire(TestContext.Current.CancellationToken).Dispose();
        Directory.EnumerateFileSystemEntries(_root).ShouldBe([LockFile], "nothing is left beside the lock");
    }

    private RunLock AcquireWithoutLocks() => new LeaseAcquisition(_root, _time, RunLock.DefaultLease, _ => OperatingSystem.IsLinux() ? NotSupported : 45).Acquire();

    private RunLockHolder WriteHolder(int process, string host)
    {
        var holder = new RunLockHolder(process, host, _time.GetUtcNow().AddYears(-1), "train", _time.GetUtcNow().AddDays(-1));
        File.WriteAllBytes(LockFile, holder.ToJson());
        return holder;
    }

    private static int DeadProcess()
    {
        using var process = Process.Start(new ProcessStartInfo(OperatingSystem.IsWindows() ? "cmd" : "/bin/sh", OperatingSystem.IsWindows() ? "/c exit" : "-c :"))!;
        process.WaitForExit();
        return process.Id;
    }

    private string ReadShared()
    {
        if (OperatingSystem.IsWindows())
        {
            using var stream = new FileStream(LockFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return new StreamReader(stream).ReadToEnd();
        }
        using SafeFileHandle handle = UnixCalls.Open(LockFile, UnixCalls.ReadOnly);
        byte[] bytes = new byte[RandomAccess.GetLength(handle)];
        RandomAccess.Read(handle, bytes, 0);
        return System.Text.Encoding.UTF8.GetString(bytes);
    }
}
