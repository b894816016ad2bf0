using Cairn.State;

namespace Cairn.Layouts.Renaming;

/// <summary>
/// InternLM2's fused attention matrix. Its rows are grouped by key head: the queries that share the head, then its key, then its value. Hugging
/// Face's Llama has three matrices whose rows are by head. Source: <c>tools/convert2llama.py</c> of InternLM, <c>transformers/convert2hf_internlm2.py</c> of InternEvo.
/// </summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="Interleaved">
/// Whether rotary positions turn neighbours (0, 1), (2, 3), … within a head, as InternEvo does with <c>adapt_hf=False</c>; Hugging Face turns (0, n/2), (1, n/2 + 1), …
/// </param>
internal sealed record FusedQkv(long Heads, long KeyValueHeads, bool Interleaved)
{
    private long Shared => Heads / KeyValueHeads;

    /// <summary>Queries, keys and values of a matrix or bias of <c>(heads + 2 · kv_heads) · head_size</c> rows.</summary>
    public StateTensor[] Split(StateTensor fused)
    {
        long[] rest = [.. fused.Shape.Skip(1)];
        long head = HeadSize(fused, Heads + 2 * KeyValueHeads);
        StateTensor groups = fused.Reshape([KeyValueHeads, Shared + 2, head, .. rest]);
        return
        [
            ToHalves(groups.Narrow(1, 0, Shared), head, rest).Reshape([Heads * head, .. rest]),
            ToHalves(groups.Narrow(1, Shared, 1), head, rest).Reshape([KeyValueHeads * head, .. rest]),
            groups.Narrow(1, Shared + 1, 1).Reshape([KeyValueHeads * head, .. rest]),
        ];
    }

    /// <summary>The fused matrix or bias of queries, keys and values.</summary>
    public StateTensor Merge(IReadOnlyList<StateTensor> parts)
    {
        long[] rest = [.. parts[0].Shape.Skip(1)];
        long head = HeadSize(parts[0], Heads);
        if (HeadSize(parts[1], KeyValueHeads) != head || HeadSize(parts[2], KeyValueHeads) != head)
            throw new FormatException($"queries {parts[0]}, keys {parts[1]} and values {parts[2]} do not have heads of one size");
        StateTensor queries = ToNeighbours(parts[0], Heads, head, rest).Reshape([KeyValueHeads, Shared, head, .. rest]);
        StateTensor keys = ToNeighbours(parts[1], KeyValueHeads, head, rest).Reshape([KeyValueHeads, 1, head, .. rest]);
        return TensorOperations.Concat([queries, keys, parts[2].Reshape([KeyValueHeads, 1, head, .. rest])], 1)
            .Reshape([(Heads + 2 * KeyValueHeads) * head, .. rest]);
    }

    private StateTensor ToHalves(StateTensor heads, long size, long[] rest) =>
        Interleaved ? heads.Reshape([heads.Shape[0] * heads.Shape[1], size / 2, 2, .. rest]).Transpose(1, 2) : heads;

    private StateTensor ToNeighbours(StateTensor rows, long heads, long size, long[] rest) =>
        Interleaved ? rows.Reshape([heads, 2, size / 2, .. rest]).Transpose(1, 2) : rows;

    private long HeadSize(StateTensor tensor, long count)
    {
        if (tensor.Shape.Count == 0 || tensor.Shape[0] % count != 0 || tensor.Shape[0] == 0)
            throw new FormatException($"{tensor} does not have a whole number of rows for each of {count} heads ({Heads} for queries, {KeyValueHeads} for keys)");
        long size = tensor.Shape[0] / count;
        return !Interleaved || size % 2 == 0 ? size : throw new FormatException($"{tensor} has heads of {size} rows, which do not pair for rotary positions");
    }
}
