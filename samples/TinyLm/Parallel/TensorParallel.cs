using System.Runtime.ExceptionServices;
using Cairn;
using Cairn.Ranks;
using Cairn.State;
using Cairn.TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TinyLm.Parallel;

/// <summary>A matrix of which each rank holds a part.</summary>
/// <param name="Parameter">This rank's part.</param>
/// <param name="Dimension">The dimension along which it is cut.</param>
public sealed record CutParameter(Parameter Parameter, int Dimension);

/// <summary>
/// The ranks that share each large matrix, cut as Megatron-LM cuts them (Shoeybi et al., 2019): the first matrix of a block by its outputs,
/// the second by its inputs. Between the two each rank works alone; the sum over the ranks is made where a block is left, and in the
/// backward pass where it is entered.
/// </summary>
public sealed class TensorParallel(ICollectives group)
{
    // An exception must not pass through libtorch, which runs the backward pass: it would end the process.
    ExceptionDispatchInfo? _failure;

    /// <summary>One rank that holds all.</summary>
    public static TensorParallel None { get; } = new(Collectives.Single);

    public int Rank => group.Rank;

    public int Size => group.Size;

    /// <summary>Into a block: the tensor as it is; its gradient is summed over the ranks.</summary>
    public Tensor Enter(Tensor input) => Size == 1 ? input : EnterBlock.apply(input, this);

    /// <summary>Out of a block: the sum over the ranks; its gradient goes to each as it is.</summary>
    public Tensor Leave(Tensor partial) => Size == 1 ? partial : LeaveBlock.apply(partial, this);

    /// <summary>This rank's part of a matrix, cut along a dimension.</summary>
    public Tensor Cut(Tensor whole, int dimension)
    {
        var share = whole.shape[dimension] / Size;
        return whole.detach().narrow(dimension, Rank * share, share).clone();
    }

    /// <summary>Which part of the whole matrix a part is.</summary>
    public ShardExtent ExtentOf(CutParameter part)
    {
        var whole = part.Parameter.shape;
        whole[part.Dimension] *= Size;
        return ShardExtent.Cut(whole, part.Dimension, Rank, Size);
    }

    /// <summary>Refuses sizes that cannot be cut.</summary>
    public void Require(int count, string what)
    {
        if (count % Size != 0)
        {
            throw new CheckpointException($"{what}: {count} cannot be shared evenly by {Size} tensor-parallel ranks. Choose a --tp that divides it.");
        }
    }

    /// <summary>Throws what went wrong among the ranks in a backward pass. Call it after <c>backward()</c>.</summary>
    public void ThrowIfFailed() => _failure?.Throw();

    Tensor Sum(Tensor partial)
    {
        var sum = partial.detach().clone();
        if (_failure is null)
        {
            group.AllReduce(sum, Reduction.Sum);
        }
        return sum;
    }

    Tensor SumInBackward(Tensor gradient)
    {
        try
        {
            return Sum(gradient);
        }
        catch (CheckpointException e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
            return gradient.detach().clone();
        }
    }

    sealed class EnterBlock : autograd.SingleTensorFunction<EnterBlock>
    {
        public override string Name => nameof(EnterBlock);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            ctx.save_data(nameof(TensorParallel), vars[1]);
            return ((Tensor)vars[0]).alias();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) =>
            [((TensorParallel)ctx.get_data(nameof(TensorParallel))).SumInBackward(grad_output), null!];
    }

    sealed class LeaveBlock : autograd.SingleTensorFunction<LeaveBlock>
    {
        public override string Name => nameof(LeaveBlock);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) =>
            ((TensorParallel)vars[1]).Sum((Tensor)vars[0]);

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => [grad_output, null!];
    }
}
