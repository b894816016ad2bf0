using TinyLm.Parallel;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TinyLm.Model;

/// <summary>One decoder layer: attention, then feed-forward, each behind a norm and added to the residual stream.</summary>
public sealed class DecoderLayer : nn.Module<Tensor, Tensor>
{
    readonly Attention _attention;
    readonly FeedForward _feedForward;
    readonly RmsNorm _attentionNorm;
    readonly RmsNorm _feedForwardNorm;
    readonly double _dropout;
    BatchShare _batch = BatchShare.Whole;

    public DecoderLayer(ModelShape shape, RotaryTable rotary) : base(nameof(DecoderLayer))
    {
        _attention = new Attention(shape, rotary);
        _feedForward = new FeedForward(shape);
        _attentionNorm = new RmsNorm(shape.HiddenSize);
        _feedForwardNorm = new RmsNorm(shape.HiddenSize);
        _dropout = shape.Dropout;
        register_module("attention", _attention);
        register_module("feed_forward", _feedForward);
        register_module("attention_norm", _attentionNorm);
        register_module("ffn_norm", _feedForwardNorm);
    }

    /// <summary>Keeps this rank's part of the matrices, and drops what falls to this rank's part of a batch.</summary>
    public IEnumerable<Parameter> Cut(TensorParallel ranks, BatchShare batch)
    {
        _batch = batch;
        return ranks.Size == 1 ? [] : [.. _attention.Cut(ranks), .. _feedForward.Cut(ranks)];
    }

    public override Tensor forward(Tensor input)
    {
        var attended = input + _attention.forward(_attentionNorm.forward(input));
        var fed = _feedForward.forward(_feedForwardNorm.forward(attended));
        return attended + _batch.Dropout(fed, _dropout, training);
    }
}
