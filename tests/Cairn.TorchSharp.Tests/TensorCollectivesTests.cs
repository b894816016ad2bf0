using Cairn.Ranks;
using Cairn.State;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>What the ranks are given. That they sum and copy it rightly is tested with real ones, in Cairn.Mpi.Tests and TinyLm.Tests.</summary>
public class TensorCollectivesTests
{
    [Fact]
    public void A_tensor_is_given_where_it_lies()
    {
        using Tensor tensor = arange(12, float32).view(3, 4);
        Pretended two = new(pieces => { unsafe { *(float*)pieces[1].Address = 99; } });
        two.AllReduce(tensor, Reduction.Average, cancellationToken: TestContext.Current.CancellationToken);
        // The second of two ranks owns the second half: element 6 is what was written.
        tensor[1, 2].item<float>().ShouldBe(99);
        two.Type.ShouldBe(TensorType.F32);
        two.Reduction.ShouldBe(Reduction.Average);
        two.Calls.ShouldBe(["reduce 0+6 1+6", "gather 0+6 1+6"]);
    }

    [Fact]
    public void A_broadcast_names_the_rank_that_speaks()
    {
        using Tensor tensor = zeros(5, int64);
        Pretended two = new();
        two.Broadcast(tensor, from: 1, cancellationToken: TestContext.Current.CancellationToken);
        two.Type.ShouldBe(TensorType.I64);
        two.Calls.ShouldBe(["gather 1+5"]);
    }

    [Fact]
    public void Pieces_are_given_where_they_lie()
    {
        using Tensor tensor = zeros(10, bfloat16);
        Pretended two = new(pieces => { unsafe { *(ushort*)pieces[0].Address = 0x3F80; } });
        two.ReduceScatter([new TensorPiece(tensor, 7, 3, 1)], Reduction.Sum, cancellationToken: TestContext.Current.CancellationToken);
        tensor[7].to(float32).item<float>().ShouldBe(1);
        two.AllGather([new TensorPiece(tensor, 7, 3, 1), new TensorPiece(tensor, 0, 7, 0)], cancellationToken: TestContext.Current.CancellationToken);
        two.Calls.ShouldBe(["reduce 1+3", "gather 1+3 0+7"]);
        two.AllGather([], cancellationToken: TestContext.Current.CancellationToken);
        two.Calls.Count.ShouldBe(2);
    }

    [Fact]
    public void What_is_not_one_stretch_of_memory_is_refused()
    {
        using Tensor tensor = zeros(4, 4);
        using Tensor turned = tensor.t();
        Should.Throw<CheckpointException>(() => new Pretended().AllReduce(turned, Reduction.Sum)).Message.ShouldContain("contiguous()");
    }

    [Fact]
    public void Pieces_beyond_a_tensor_or_of_two_types_are_refused()
    {
        using Tensor single = zeros(4), dual = zeros(4, float64);
        Should.Throw<ArgumentOutOfRangeException>(() => new Pretended().AllGather([new TensorPiece(single, 2, 3, 0)]));
        Should.Throw<ArgumentOutOfRangeException>(() => new Pretended().AllGather([new TensorPiece(single, -1, 3, 0)]));
        Should.Throw<ArgumentException>(() => new Pretended().AllGather([new TensorPiece(single, 0, 4, 0), new TensorPiece(dual, 0, 4, 0)]));
    }

    [Fact]
    public void After_a_failure_the_memory_outlives_its_tensor()
    {
        // MPI may still send from it: reading it after disposal must be safe.
        nint address = 0;
        Tensor tensor = ones(1 << 22);
        Should.Throw<RankTimeoutException>(() => new Pretended(pieces =>
        {
            address = pieces[0].Address;
            throw RankTimeoutException.Of(0, "sum", TimeSpan.FromSeconds(1), [1]);
        }).AllReduce(tensor, Reduction.Sum));
        tensor.Dispose();
        using Tensor other = zeros(1 << 22);
        unsafe
        {
            (*(float*)address).ShouldBe(1);
        }
    }

    private sealed class Pretended(Action<MemoryPiece[]>? act = null) : ICollectives
    {
        public int Rank => 0;
        public int Size => 2;
        public TensorType Type { get; private set; }
        public Reduction Reduction { get; private set; }
        public List<string> Calls { get; } = [];

        public void ReduceScatter(ReadOnlySpan<MemoryPiece> pieces, TensorType type, Reduction reduction, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
        {
            (Type, Reduction) = (type, reduction);
            Note("reduce", pieces);
        }

        public void AllGather(ReadOnlySpan<MemoryPiece> pieces, TensorType type, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
        {
            Type = type;
            Note("gather", pieces);
        }

        private void Note(string call, ReadOnlySpan<MemoryPiece> pieces)
        {
            Calls.Add($"{call} {string.Join(' ', pieces.ToArray().Select(piece => $"{piece.Owner}+{piece.Elements}"))}");
            act?.Invoke(pieces.ToArray());
        }
    }
}
