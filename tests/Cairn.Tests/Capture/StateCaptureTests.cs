using Cairn.Capture;
using Cairn.Formats;
using Cairn.Layouts;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Tests.Capture;

public sealed class StateCaptureTests : IDisposable
{
    private readonly StagingPool _pool = new();

    public void Dispose() => _pool.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData((4 << 20) + 3)]
    [InlineData(11 << 20)]
    public void A_capture_equals_the_state_and_does_not_see_later_changes(int length)
    {
        byte[] live = Noise(length), other = Noise(17), before = [.. live];
        var map = new StateMap { ["weights"] = Tensor(live), ["other"] = Tensor(other), ["step"] = 7L };
        using CapturedState captured = new StateCapture(_pool).Capture([("model", map)], Stop);
        Array.Clear(live);
        captured.TotalBytes.ShouldBe(length + 17);
        StateMap state = captured.Parts.ShouldHaveSingleItem().State;
        captured.Parts[0].Name.ShouldBe("model");
        state.Keys.ShouldBe(["weights", "other", "step"]);
        ((StateScalar)state["step"]).Value.ShouldBe(7L);
        var staged = (StateTensor)state["weights"];
        staged.Type.ShouldBe(TensorType.U8);
        staged.Shape.ShouldBe([length]);
        staged.TryGetSpan(0, length, out ReadOnlySpan<byte> bytes).ShouldBeTrue();
        bytes.SequenceEqual(before).ShouldBeTrue();
        byte[] copy = new byte[17];
        ((StateTensor)state["other"]).CopyTo(0, copy);
        copy.ShouldBe(other);
    }

    [Fact]
    public void A_part_lies_in_memory_as_in_its_file_so_that_nothing_is_copied_to_write_it()
    {
        MemoryTensor tied = Tensor(Noise(33));
        var model = new StateMap { ["bytes"] = tied, ["doubles"] = Doubles(1001), ["again"] = tied, ["halves"] = new MemoryTensor(TensorType.F16, [5], Noise(10)), ["none"] = Tensor([]), ["more"] = Doubles(3000) };
        var other = new StateMap { ["deep"] = new StateList([new StateMap { ["x"] = Tensor(Noise(9)) }, 7L, Doubles(2)]) };
        using CapturedState captured = new StateCapture(_pool).Capture([("model", model), ("other", other), ("third", new StateMap { ["x"] = Tensor(Noise(3)) })], Stop);
        foreach ((string name, StateMap state, _) in captured.Parts)
        {
            var content = (IRangedContent)PartEncoder.Encode(name, name, state).Content;
            int start = (int)content.Tensors[0].Offset, length = (int)content.Length - start;
            (start % AlignedMemory.Alignment).ShouldBe(0);
            content.TryGetSpan(start, length, out ReadOnlySpan<byte> bytes).ShouldBeTrue(name);
            AlignedMemory.IsAligned(bytes).ShouldBeTrue(name);
            byte[] made = new byte[length];
            content.Read(start, made);
            bytes.SequenceEqual(made).ShouldBeTrue(name);
            content.TryGetSpan(start - 1, length, out _).ShouldBeFalse();
        }
        // What lies elsewhere is copied.
        ((IRangedContent)PartEncoder.Encode("live", "live", model).Content).TryGetSpan(4096, 40_000, out _).ShouldBeFalse();

        static MemoryTensor Doubles(int count) => new(TensorType.F64, [count], Noise(count * 8));
    }

    [Fact]
    public void Ties_stay_ties_across_parts_and_are_copied_once()
    {
        MemoryTensor tied = Tensor(Noise(100)), equal = Tensor(Noise(100));
        var model = new StateMap { ["embedding"] = tied, ["heads"] = new StateList([tied, equal]) };
        using CapturedState captured = new StateCapture(_pool).Capture([("model", model), ("average", new StateMap { ["embedding"] = tied })], Stop);
        captured.TotalBytes.ShouldBe(200);
        StateNode staged = captured.Parts[0].State["embedding"];
        var heads = (StateList)captured.Parts[0].State["heads"];
        heads[0].ShouldBeSameAs(staged);
        captured.Parts[1].State["embedding"].ShouldBeSameAs(staged);
        heads[1].ShouldNotBeSameAs(staged);
        staged.ShouldNotBeSameAs(tied);
    }

    [Fact]
    public void A_shard_stays_a_shard_of_its_tensor()
    {
        ShardExtent extent = ShardExtent.Cut([100], 0, 1, 2);
        byte[] live = Noise(50);
        var shard = new ShardTensor(Tensor(live), extent);
        using CapturedState captured = new StateCapture(_pool).Capture([("model", new StateMap { ["w"] = shard, ["tied"] = shard })], Stop);
        ShardTensor staged = captured.Parts[0].State["w"].ShouldBeOfType<ShardTensor>();
        staged.Extent.ShouldBe(extent);
        byte[] copy = new byte[50];
        staged.CopyTo(0, copy);
        copy.ShouldBe(live);
        captured.Parts[0].State["tied"].ShouldBeSameAs(staged);
    }

    [Fact]
    public unsafe void Staged_tensors_are_aligned_to_their_elements()
    {
        (TensorType Type, int Size)[] types = [(TensorType.U8, 1), (TensorType.F32, 4), (TensorType.BF16, 2), (TensorType.F64, 8), (TensorType.C128, 16)];
        var map = new StateMap();
        for (int i = 0; i < 20; i++)
            map[$"{i}"] = new MemoryTensor(types[i % 5].Type, [i + 1], Noise((i + 1) * types[i % 5].Size));
        using CapturedState captured = new StateCapture(_pool).Capture([("model", map)], Stop);
        for (int i = 0; i < 20; i++)
        {
            ((StateTensor)captured.Parts[0].State[$"{i}"]).TryGetSpan(0, 1, out ReadOnlySpan<byte> bytes).ShouldBeTrue();
            fixed (byte* start = bytes)
                ((long)start % types[i % 5].Size).ShouldBe(0);
        }
    }

    [Fact]
    public void The_second_capture_allocates_no_tensor_memory()
    {
        (string, StateMap)[] parts = [("model", new StateMap { ["w"] = Tensor(Noise(32 << 20)), ["b"] = Tensor(Noise(4096)) })];
        var capture = new StateCapture(_pool);
        _pool.PreTouch(capture.RequiredBytes(parts));
        long capacity = _pool.Capacity;
        capture.Capture(parts, Stop).Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        capture.Capture(parts, Stop).Dispose();
        // Of this thread only: other tests run beside this one. It copies its share of the chunks.
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(64 << 10);
        _pool.Capacity.ShouldBe(capacity);
    }

    [Fact]
    public void A_small_capture_allocates_only_nodes()
    {
        var map = new StateMap();
        for (int i = 0; i < 100; i++)
            map[$"{i}"] = Tensor(Noise(5000));
        (string, StateMap)[] parts = [("model", map)];
        var capture = new StateCapture(_pool);
        capture.Capture(parts, Stop).Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        capture.Capture(parts, Stop).Dispose();
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(100 * 400);
    }

    [Fact]
    public void Memory_is_lent_to_one_capture_at_a_time()
    {
        (string, StateMap)[] parts = [("model", new StateMap { ["w"] = Tensor(Noise(10)) })];
        var capture = new StateCapture(_pool);
        CapturedState first = capture.Capture(parts, Stop);
        capture.TryCapture(parts).ShouldBeNull();
        using (var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(20)))
            Should.Throw<OperationCanceledException>(() => capture.Capture(parts, stop.Token));
        var tensor = (StateTensor)first.Parts[0].State["w"];
        first.Dispose();
        first.Dispose();
        Should.Throw<ObjectDisposedException>(() => tensor.CopyTo(0, new byte[1]));
        using CapturedState? second = capture.TryCapture(parts);
        second.ShouldNotBeNull();
    }

    [Fact]
    public void A_staged_tensor_does_not_give_its_neighbours_bytes()
    {
        using CapturedState captured = new StateCapture(_pool).Capture([("m", new StateMap { ["a"] = Tensor(Noise(10)), ["b"] = Tensor(Noise(100)) })], Stop);
        var a = (StateTensor)captured.Parts[0].State["a"];
        Should.Throw<ArgumentOutOfRangeException>(() => a.CopyTo(0, new byte[11]));
        Should.Throw<ArgumentOutOfRangeException>(() => a.CopyTo(-1, new byte[1]));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(9 << 20)]
    public void A_tensor_that_cannot_be_read_fails_the_capture_and_frees_the_memory(int length)
    {
        var capture = new StateCapture(_pool);
        var map = new StateMap { ["good"] = Tensor(Noise(length)), ["bad"] = new UnreadableTensor(length) };
        Should.Throw<CheckpointException>(() => capture.Capture([("model", map)], Stop)).Message.ShouldBe("unreadable");
        _pool.IsFree.ShouldBeTrue();
    }

    [Fact]
    public void Memory_grows_and_never_shrinks()
    {
        _pool.Rent(100, Stop).Dispose();
        long small = _pool.Capacity;
        _pool.PreTouch(20 << 20);
        _pool.Capacity.ShouldBeGreaterThanOrEqualTo(20 << 20);
        _pool.Capacity.ShouldBeGreaterThan(small);
        long large = _pool.Capacity;
        _pool.Rent(100, Stop).Dispose();
        _pool.Capacity.ShouldBe(large);
    }

    [Fact]
    public void Memory_that_cannot_be_had_is_reported_and_the_pool_stays_usable()
    {
        Should.Throw<CheckpointException>(() => _pool.Rent(1L << 60, Stop)).IsTransient.ShouldBeTrue();
        _pool.Rent(10, Stop).Dispose();
    }

    [Fact]
    public void A_disposed_pool_frees_its_memory_when_it_comes_back()
    {
        StagingBuffer buffer = _pool.Rent(10, Stop);
        _pool.Dispose();
        buffer.Span(0, 10).Fill(1);
        _pool.Capacity.ShouldBePositive();
        buffer.Dispose();
        _pool.Capacity.ShouldBe(0);
        Should.Throw<ObjectDisposedException>(() => _pool.Rent(10, Stop));
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static MemoryTensor Tensor(byte[] bytes) => new(TensorType.U8, [bytes.Length], bytes);

    private static byte[] Noise(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private sealed class UnreadableTensor(long length) : StateTensor(TensorType.U8, [length])
    {
        public override void CopyTo(long offset, Span<byte> destination) => throw new CheckpointException("unreadable");
    }
}
