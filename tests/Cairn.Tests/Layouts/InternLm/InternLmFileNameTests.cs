using Cairn.Layouts.InternLm;
using CsCheck;

namespace Cairn.Tests.Layouts.InternLm;

public class InternLmFileNameTests
{
    private static readonly string[] Pieces = ["model", "optimizer", "topo", "sampler", "gpus", "_tp", "_pp", "_zo", "_wp", "_dp", "-", "_", "0", "1", "07", "12", ".pt", ".json", ".step"];

    private static readonly Dictionary<string, InternLmFileName> Known = new(StringComparer.Ordinal)
    {
        { "model_tp1_pp3.pt", new(InternLmFileKind.Model) { Tp = 1, Pp = 3 } },
        { "model_tp0_wp7_pp2.pt", new(InternLmFileKind.Model) { Tp = 0, Wp = 7, Pp = 2 } },
        { "model_tp0_pp0_dp15.pt", new(InternLmFileKind.Model) { Tp = 0, Pp = 0, Dp = 15 } },
        { "topo_tp0_pp1.json", new(InternLmFileKind.Topology) { Tp = 0, Pp = 1 } },
        { "topo_tp0_wp1_pp1.json", new(InternLmFileKind.Topology) { Tp = 0, Wp = 1, Pp = 1 } },
        { "model_moe_layer12_expert3_tp1.pt", new(InternLmFileKind.Expert) { Layer = 12, Expert = 3, Tp = 1 } },
        { "optimizer_tp0_pp1_zo2.pt", new(InternLmFileKind.Optimizer) { Tp = 0, Pp = 1, Zo = 2 } },
        { "optimizer_tp1_wp3_pp0_dp1.pt", new(InternLmFileKind.Optimizer) { Tp = 1, Wp = 3, Pp = 0, Dp = 1 } },
        { "gpus-8_wp-0_tp-1_dp-2_pp-3_zo-4.pt", new(InternLmFileKind.Plan) { Gpus = 8, Wp = 0, Tp = 1, Dp = 2, Pp = 3, Zo = 4 } },
        { "gpus-8_pp-1_tp-2_zo-3.pt", new(InternLmFileKind.Plan) { Gpus = 8, Pp = 1, Tp = 2, Zo = 3 } },
        { "schedulder.pt", new(InternLmFileKind.Scheduler) },
        { "sampler.pt", new(InternLmFileKind.Sampler) },
        { "sampler_3.pt", new(InternLmFileKind.Sampler) { Dp = 3 } },
        { "context.pt", new(InternLmFileKind.Context) },
        { "model_config.pt", new(InternLmFileKind.ModelConfig) },
        { "config_file.pt", new(InternLmFileKind.ConfigFile) },
        { "250.step", new(InternLmFileKind.Step) { Step = 250 } },
    };

    public static TheoryData<string> Names => [.. Known.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_name_is_read_and_written(string name)
    {
        InternLmFileName expected = Known[name];
        InternLmFileName.TryParse(name, out InternLmFileName? parsed).ShouldBeTrue();
        parsed.ShouldBe(expected);
        expected.ToString().ShouldBe(name);
    }

    [Theory]
    [InlineData("model_tp0_pp0.pt.md5")]
    [InlineData("model_tp00_pp0.pt")]
    [InlineData("model_tp-1_pp0.pt")]
    [InlineData("model_tp_pp0.pt")]
    [InlineData("model_tp0_pp99999999999.pt")]
    [InlineData("model_tp0_pp0_tp0.pt")]
    [InlineData("topo_tp0_pp0.pt")]
    [InlineData("scheduler.pt")]
    [InlineData("random_0.pt")]
    [InlineData("cairn.json")]
    [InlineData("07.step")]
    [InlineData(".step")]
    [InlineData("")]
    public void Other_names_are_not_taken_for_one(string name) => InternLmFileName.TryParse(name, out _).ShouldBeFalse();

    [Fact]
    public void What_has_no_name_is_an_error() =>
        Should.Throw<InvalidOperationException>(() => new InternLmFileName(InternLmFileKind.Optimizer) { Tp = 1 }.ToString());

    [Fact]
    public void No_name_is_read_as_something_that_is_written_differently() =>
        Gen.Int[0, Pieces.Length - 1].Array[0, 8].Select(pieces => string.Concat(pieces.Select(piece => Pieces[piece])))
            .Sample(name => !InternLmFileName.TryParse(name, out InternLmFileName? parsed) || parsed!.ToString() == name);
}
