using System.Text;
using Cairn.Layouts.Renaming;
using Cairn.State;
using Cairn.Tests.Formats;
using CsCheck;

namespace Cairn.Tests.Layouts.Renaming;

public class RenamingTests
{
    private static readonly RenamingParameters Heads = new RenamingParameters().With("heads", 4).With("kv_heads", 2);

    private static RenamingRules Rules(string rules) => RenamingRules.Parse(Encoding.UTF8.GetBytes($"{{\"rules\": [{rules}]}}"), "test");

    private static StateMap Map(params string[] names)
    {
        var map = new StateMap();
        foreach (string name in names)
            map.Add(name, TestTensors.Of(TensorType.F32, 2));
        return map;
    }

    // Rows that count, each of two equal bytes, so that a row tells where it came from.
    private static MemoryTensor Rows(int rows)
    {
        byte[] bytes = new byte[2 * rows];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)(i / 2);
        return new MemoryTensor(TensorType.U8, [rows, 2], bytes);
    }

    private static int[] RowsOf(StateNode tensor) => [.. ((StateTensor)tensor).Bytes().Chunk(2).Select(row => (int)row[0])];

    [Theory]
    [InlineData("layers.{n}.w.{p}", "layers.12.w.bias", "n=12,p=bias")]
    [InlineData("layers.{n}.w", "layers.1.2.w", null)]
    [InlineData("{x*}.inv_freq", "a.b.inv_freq", "x=a.b")]
    [InlineData("{x*}.inv_freq", ".inv_freq", null)]
    [InlineData("{a*}.{b*}", "x.y.z", "a=x,b=y.z")]
    [InlineData("h{n}", "h", null)]
    [InlineData("w", "w2", null)]
    public void Patterns_capture_components(string pattern, string name, string? captures) =>
        (new NamePattern(pattern).Match(name) is { } found ? string.Join(',', found.Select(c => $"{c.Key}={c.Value}")) : null).ShouldBe(captures);

    [Theory, InlineData("{n"), InlineData("n}"), InlineData("{}"), InlineData("{a}{b}"), InlineData("{a}.{a}"), InlineData("{a b}"), InlineData("{*}")]
    public void A_malformed_pattern_is_told(string pattern) =>
        Should.Throw<RenamingException>(() => Rules($$"""{"from": "{{pattern}}", "to": "x"}""")).Fault.ShouldBe(RenamingFault.BadRules);

    [Theory]
    [InlineData("""{"from": "a"}"""), InlineData("""{"from": ["a", "b"], "to": "c"}"""), InlineData("""{"from": "a", "to": "b", "how": "magic"}""")]
    [InlineData("""{"from": "a", "to": "b", "how": "drop"}"""), InlineData("""{"from": "a", "to": ["b", "c"], "how": "split-grouped-qkv"}""")]
    [InlineData("""{"from": "{n}", "to": "{m}"}"""), InlineData("""{"from": ["{n}", "{m}"], "to": "c", "how": "concat"}"""), InlineData("""{"from": "a", "to": "b", "dim": -1, "how": "split"}""")]
    [InlineData("""{"from": 1, "to": "b"}"""), InlineData("""{"from": "", "to": "b"}"""), InlineData("""{"from": "a", "to": "b", "note": 1}"""), InlineData("{")]
    public void Malformed_rules_are_told(string rule) =>
        Should.Throw<RenamingException>(() => Rules(rule)).Fault.ShouldBe(RenamingFault.BadRules);

    [Fact]
    public void The_first_rule_that_fits_is_taken_and_the_order_stays()
    {
        RenamingRules rules = Rules("""{"from": "a.{n}", "to": "first.{n}"}, {"from": "{x*}", "to": "rest.{x}"}""");
        rules.Apply(Map("b", "a.1", "a.b.c"), Heads).Keys.ShouldBe(["rest.b", "first.1", "rest.a.b.c"]);
    }

    [Fact]
    public void A_name_without_a_rule_is_an_error_and_stays_when_not_strict()
    {
        RenamingRules rules = Rules("""{"from": "a", "to": "b"}""");
        RenamingException e = Should.Throw<RenamingException>(() => rules.Apply(Map("a", "c", "d"), Heads));
        (e.Fault, string.Join(',', e.Names)).ShouldBe((RenamingFault.NoRule, "c,d"));
        rules.Apply(Map("a", "c"), Heads, strict: false).Keys.ShouldBe(["b", "c"]);
    }

    [Fact]
    public void Two_tensors_never_get_one_name()
    {
        Should.Throw<RenamingException>(() => Rules("""{"from": "{x}", "to": "b"}""").Apply(Map("a", "c"), Heads)).Fault.ShouldBe(RenamingFault.Collision);
        Should.Throw<RenamingException>(() => Rules("""{"from": "a", "to": "b"}""").Apply(Map("a", "b"), Heads, strict: false)).Fault.ShouldBe(RenamingFault.Collision);
    }

    [Fact]
    public void A_join_without_one_of_its_tensors_is_told()
    {
        RenamingException e = Should.Throw<RenamingException>(() => Rules("""{"from": ["{n}.a", "{n}.b"], "to": "{n}", "how": "concat"}""").Apply(Map("1.b", "1.a", "2.b"), Heads));
        (e.Fault, e.Names[0]).ShouldBe((RenamingFault.MissingInput, "2.a"));
    }

    [Fact]
    public void Split_and_concat_are_each_others_inverse()
    {
        StateMap split = Rules("""{"from": "w", "to": ["a", "b", "c"], "how": "split"}""").Apply(new StateMap { ["w"] = Rows(6) }, Heads);
        RowsOf(split["b"]).ShouldBe([2, 3]);
        StateMap joined = Rules("""{"from": ["a", "b", "c"], "to": "w", "how": "concat"}""").Apply(split, Heads);
        RowsOf(joined["w"]).ShouldBe([0, 1, 2, 3, 4, 5]);
        StateMap columns = Rules("""{"from": "w", "to": ["a", "b"], "how": "split", "dim": 1}""").Apply(new StateMap { ["w"] = Rows(3) }, Heads);
        ((StateTensor)columns["a"]).Bytes().ShouldBe([0, 1, 2]);
        Should.Throw<RenamingException>(() => Rules("""{"from": "w", "to": ["a", "b"], "how": "split"}""").Apply(new StateMap { ["w"] = Rows(3) }, Heads)).Fault.ShouldBe(RenamingFault.WrongShape);
        Should.Throw<RenamingException>(() => Rules("""{"from": "{x}", "to": ["a", "b"], "how": "split"}""").Apply(new StateMap { ["n"] = 3L }, Heads)).Fault.ShouldBe(RenamingFault.NotATensor);
    }

    [Fact]
    public void InternLM2s_fused_matrix_is_cut_by_key_head()
    {
        // 4 query heads share 2 key heads; heads of 2 rows. Of each group: queries, queries, key, value.
        StateMap model = RenamingRules.Load("internlm2-to-llama").Apply(new StateMap { ["layers.0.attention.wqkv.weight"] = Rows(16) }, Heads);
        RowsOf(model["model.layers.0.self_attn.q_proj.weight"]).ShouldBe([0, 1, 2, 3, 8, 9, 10, 11]);
        RowsOf(model["model.layers.0.self_attn.k_proj.weight"]).ShouldBe([4, 5, 12, 13]);
        RowsOf(model["model.layers.0.self_attn.v_proj.weight"]).ShouldBe([6, 7, 14, 15]);
    }

    [Fact]
    public void Neighbours_that_rotate_become_halves_when_InternEvo_did_not_adapt_to_Hugging_Face()
    {
        // 1 head of 4 rows each: rows 0, 2 come first, then 1, 3; values stay.
        StateMap model = RenamingRules.Load("internlm2-to-llama").Apply(
            new StateMap { ["layers.0.attention.wqkv.weight"] = Rows(12) }, new RenamingParameters().With("num_attention_heads=1").With("adapt_hf=false"));
        RowsOf(model["model.layers.0.self_attn.q_proj.weight"]).ShouldBe([0, 2, 1, 3]);
        RowsOf(model["model.layers.0.self_attn.k_proj.weight"]).ShouldBe([4, 6, 5, 7]);
        RowsOf(model["model.layers.0.self_attn.v_proj.weight"]).ShouldBe([8, 9, 10, 11]);
    }

    [Fact]
    public void There_and_back_is_the_same_to_the_bit() =>
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 3], Gen.Int[1, 3], Gen.Int[1, 5], Gen.Bool, Gen.Bool).Sample((keyHeads, shared, pairs, hidden, halves, bias) =>
        {
            int rows = keyHeads * (shared + 2) * 2 * pairs;
            StateMap model = new()
            {
                ["tok_embeddings.weight"] = TestTensors.Of(TensorType.F16, 7, hidden),
                ["layers.0.attention.wqkv.weight"] = new CopyOnlyTensor(TestTensors.Of(TensorType.BF16, rows, hidden)),
                ["layers.0.attention.wo.weight"] = TestTensors.Of(TensorType.BF16, hidden, 2),
                ["layers.0.feed_forward.w1.weight"] = TestTensors.Of(TensorType.BF16, 2, hidden),
                ["layers.0.attention_norm.weight"] = TestTensors.Of(TensorType.F32, hidden),
                ["output.weight"] = TestTensors.Of(TensorType.F16, 7, hidden),
            };
            if (bias)
                model["layers.0.attention.wqkv.bias"] = TestTensors.Of(TensorType.F32, rows);
            RenamingParameters parameters = new RenamingParameters().With("num_attention_heads", keyHeads * shared).With("num_key_value_heads", keyHeads).With("half_rotary", halves);
            StateMap llama = RenamingRules.Load("internlm2-to-llama").Apply(model, parameters);
            StateMap back = RenamingRules.Load("llama-to-internlm2").Apply(llama, parameters);
            back.Keys.ShouldBe(model.Keys, ignoreOrder: true);
            foreach ((string name, StateNode node) in model)
                ((StateTensor)back[name]).Bytes().ShouldBe(((StateTensor)node).Bytes());
        }, iter: 200);

    [Fact]
    public void InternLM_1_has_thirds_and_calls_up_and_down_otherwise()
    {
        StateMap model = RenamingRules.Load("internlm-to-llama").Apply(new StateMap
        {
            ["embedding.weight"] = Rows(2), ["blocks.3.mixer.Wqkv.weight"] = Rows(6), ["blocks.3.mixer.out_proj.bias"] = Rows(1),
            ["blocks.3.mlp.w2.weight"] = Rows(3), ["blocks.3.mlp.w3.weight"] = Rows(4), ["blocks.3.mixer.rotary_emb.inv_freq"] = Rows(1), ["head.weight"] = Rows(2),
        }, new RenamingParameters());
        RowsOf(model["model.layers.3.self_attn.k_proj.weight"]).ShouldBe([2, 3]);
        ((StateTensor)model["model.layers.3.mlp.up_proj.weight"]).Shape[0].ShouldBe(3);
        ((StateTensor)model["model.layers.3.mlp.down_proj.weight"]).Shape[0].ShouldBe(4);
        model.Count.ShouldBe(8);
    }

    [Fact]
    public void Ties_stay_ties()
    {
        MemoryTensor shared = Rows(16);
        StateMap llama = RenamingRules.Load("internlm2-to-llama").Apply(new StateMap { ["tok_embeddings.weight"] = shared, ["output.weight"] = shared }, Heads);
        llama["lm_head.weight"].ShouldBeSameAs(llama["model.embed_tokens.weight"]);
        StateMap fused = RenamingRules.Load("internlm2-to-llama").Apply(new StateMap { ["layers.0.attention.wqkv.weight"] = shared, ["layers.1.attention.wqkv.weight"] = shared }, Heads);
        fused["model.layers.0.self_attn.q_proj.weight"].ShouldBeSameAs(fused["model.layers.1.self_attn.q_proj.weight"]);
        StateMap back = RenamingRules.Load("llama-to-internlm2").Apply(fused, Heads);
        back["layers.0.attention.wqkv.weight"].ShouldBeSameAs(back["layers.1.attention.wqkv.weight"]);
    }

    [Fact]
    public void Numbers_of_heads_that_are_not_known_or_do_not_fit_are_told()
    {
        RenamingRules rules = RenamingRules.Load("internlm2-to-llama");
        StateMap model = new() { ["layers.0.attention.wqkv.weight"] = Rows(16) };
        Should.Throw<RenamingException>(() => rules.Apply(model, new RenamingParameters())).Fault.ShouldBe(RenamingFault.MissingParameter);
        Should.Throw<RenamingException>(() => rules.Apply(model, Heads.With("kv_heads", 3))).Fault.ShouldBe(RenamingFault.WrongShape);
        Should.Throw<RenamingException>(() => rules.Apply(model, Heads.With("heads", 14).With("kv_heads", 7))).Fault.ShouldBe(RenamingFault.WrongShape);
        Should.Throw<RenamingException>(() => rules.Apply(model, Heads.With("heads=many"))).Message.ShouldContain("not a whole number");
    }

    [Fact]
    public void The_users_word_wins_over_the_configuration()
    {
        RenamingParameters config = RenamingParameters.OfJson("""{"num_attention_heads": 8, "num_key_value_heads": 2, "name": "x", "list": [1]}"""u8.ToArray(), "config.json");
        RowsOf(RenamingRules.Load("internlm2-to-llama").Apply(new StateMap { ["layers.0.attention.wqkv.weight"] = Rows(16) }, Heads.Or(config))["model.layers.0.self_attn.k_proj.weight"]).Length.ShouldBe(4);
        Should.Throw<CorruptCheckpointException>(() => RenamingParameters.OfJson("[]"u8.ToArray(), "config.json"));
        Should.Throw<FormatException>(() => config.With("heads"));
    }

    [Fact]
    public void All_ready_rules_are_in_the_library()
    {
        foreach (string name in RenamingRules.Ready)
            RenamingRules.Load(name).About.ShouldNotBeEmpty();
        Should.Throw<CheckpointException>(() => RenamingRules.Load("no-such")).Message.ShouldContain("internlm2-to-llama");
    }
}
