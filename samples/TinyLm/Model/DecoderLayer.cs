using TinyLm.Parallel;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace TinyLm.Model;

/// <summary>One decoder layer: attention, then feed-forward, each behind a norm and added to the residual stream.</summary>
public sealed class DecoderLayer : nn.Module<Tensor, Tensor>
{
    // TorchSharp registers the fields of a submodule by itself: without these names each weight would have two.
    [ComponentName(Name = "attention")] readonly Attention _attention;
    [ComponentName(Name = "feed_forward")] readonly FeedForward _feedForward;
    [ComponentName(Name = "attention_norm")] readonly RmsNorm _attentionNorm;
    [ComponentName(Name = "ffn_norm")] readonly RmsNorm _feedForwardNorm;
    readonly double _dropout;
    BatchShare _batch = BatchShare.Whole;

    public DecoderLayer(ModelShape shape, RotaryTable rotary) : base(nameof(DecoderLayer))
    {
        _attention = new Attention(shape, rotary);
        _feedForward = new FeedForward(shape);
        _attentionNorm = new RmsNorm(shape.HiddenSize);
        _feedForwardNorm = new RmsNorm(shape.HiddenSize);
        _dropout = shape.Dropout;
        RegisterComponents();
    }

    /// <summary>Keeps this rank's part of the matrices, and drops what falls to this rank's part of a batch.</summary>
    public IEnumerable<CutParameter> Cut(TensorParallel ranks, BatchShare batch)
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
