using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TinyLm.Model;

/// <summary>
/// Causal grouped-query attention. As in InternLM2 one matrix makes queries, keys and values; its rows are grouped by key
/// head: the queries that share the head, then its key, then its value.
/// </summary>
public sealed class Attention : nn.Module<Tensor, Tensor>
{
    readonly ModelShape _shape;
    readonly RotaryTable _rotary;
    readonly Linear _wqkv;
    readonly Linear _wo;

    public Attention(ModelShape shape, RotaryTable rotary) : base(nameof(Attention))
    {
        _shape = shape;
        _rotary = rotary;
        _wqkv = nn.Linear(shape.HiddenSize, (shape.Heads + 2 * shape.KeyValueHeads) * shape.HeadSize, hasBias: false);
        _wo = nn.Linear(shape.Heads * shape.HeadSize, shape.HiddenSize, hasBias: false);
        register_module("wqkv", _wqkv);
        register_module("wo", _wo);
    }

    public override Tensor forward(Tensor input)
    {
        var (batch, length) = (input.shape[0], input.shape[1]);
        var shared = _shape.Heads / _shape.KeyValueHeads;
        var groups = _wqkv.forward(input).view(batch, length, _shape.KeyValueHeads, shared + 2, _shape.HeadSize);

        var queries = groups.narrow(3, 0, shared).reshape(batch, length, _shape.Heads, _shape.HeadSize).transpose(1, 2);
        var keys = groups.select(3, shared).transpose(1, 2);
        var values = groups.select(3, shared + 1).transpose(1, 2);

        var mixed = nn.functional.scaled_dot_product_attention(
            _rotary.Rotate(queries),
            _rotary.Rotate(keys).repeat_interleave(shared, 1),
            values.repeat_interleave(shared, 1),
            is_casual: true);
        return _wo.forward(mixed.transpose(1, 2).reshape(batch, length, _shape.Heads * _shape.HeadSize));
    }
}
