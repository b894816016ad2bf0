using TinyLm.Parallel;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace TinyLm.Model;

/// <summary>
/// Causal grouped-query attention. As in InternLM2 one matrix makes queries, keys and values; its rows are grouped by key
/// head: the queries that share the head, then its key, then its value. Tensor-parallel ranks share the heads.
/// </summary>
public sealed class Attention : nn.Module<Tensor, Tensor>
{
    readonly ModelShape _shape;
    readonly RotaryTable _rotary;
    [ComponentName(Name = "wqkv")] readonly Linear _wqkv;
    [ComponentName(Name = "wo")] readonly Linear _wo;
    TensorParallel _ranks = TensorParallel.None;

    public Attention(ModelShape shape, RotaryTable rotary) : base(nameof(Attention))
    {
        _shape = shape;
        _rotary = rotary;
        _wqkv = nn.Linear(shape.HiddenSize, (shape.Heads + 2 * shape.KeyValueHeads) * shape.HeadSize, hasBias: false);
        _wo = nn.Linear(shape.Heads * shape.HeadSize, shape.HiddenSize, hasBias: false);
        RegisterComponents();
    }

    /// <summary>Keeps this rank's heads.</summary>
    public IEnumerable<CutParameter> Cut(TensorParallel ranks)
    {
        ranks.Require(_shape.KeyValueHeads, "key heads");
        _ranks = ranks;
        _wqkv.weight = new Parameter(ranks.Cut(_wqkv.weight!, 0));
        _wo.weight = new Parameter(ranks.Cut(_wo.weight!, 1));
        return [new(_wqkv.weight, 0), new(_wo.weight, 1)];
    }

    public override Tensor forward(Tensor input)
    {
        var (batch, length) = (input.shape[0], input.shape[1]);
        var (heads, keyHeads) = (_shape.Heads / _ranks.Size, _shape.KeyValueHeads / _ranks.Size);
        var shared = _shape.Heads / _shape.KeyValueHeads;
        var groups = _wqkv.forward(_ranks.Enter(input)).view(batch, length, keyHeads, shared + 2, _shape.HeadSize);

        var queries = groups.narrow(3, 0, shared).reshape(batch, length, heads, _shape.HeadSize).transpose(1, 2);
        var keys = groups.select(3, shared).transpose(1, 2);
        var values = groups.select(3, shared + 1).transpose(1, 2);

        var mixed = nn.functional.scaled_dot_product_attention(
            _rotary.Rotate(queries),
            _rotary.Rotate(keys).repeat_interleave(shared, 1),
            values.repeat_interleave(shared, 1),
            is_casual: true);
        return _ranks.Leave(_wo.forward(mixed.transpose(1, 2).reshape(batch, length, heads * _shape.HeadSize)));
    }
}
