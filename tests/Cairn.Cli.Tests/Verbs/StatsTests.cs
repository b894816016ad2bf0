using Cairn.Cli.Tests.Samples;
using Cairn.State;

namespace Cairn.Cli.Tests.Verbs;

public sealed class StatsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_tensor_has_its_numbers_and_a_histogram()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result result = CairnCall.Run("stats", run.PathOf("300"), "--part", "model");
        result.Code.ShouldBe(ExitCode.Good);
        Golden.Check("stats.txt", result.Out, _folder.Path);
    }

    [Fact]
    public void As_JSON_the_histogram_has_its_edges()
    {
        SampleFolders.Safetensors(_folder["w.safetensors"], new StateMap { ["w"] = SampleState.Singles([8], i => i) });
        Golden.Check("stats.json", CairnCall.Run("stats", _folder["w.safetensors"], "--bins", "4", "--json").Out, _folder.Path);
    }

    [Fact]
    public void What_is_not_finite_is_found()
    {
        SampleFolders.Safetensors(_folder["bad.safetensors"], new StateMap
        {
            ["good"] = SampleState.Singles([4], i => i),
            ["bad"] = SampleState.Singles([4], i => i == 0 ? double.NaN : i == 1 ? double.PositiveInfinity : 0),
            ["none"] = SampleState.Singles([1], _ => double.NaN),
        });
        Result result = CairnCall.Run("stats", _folder["bad.safetensors"]);
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("stats-bad.txt", result.Out, _folder.Path);
        CairnCall.Run("stats", _folder["bad.safetensors"], "--name", "g*").Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("stats", _folder["bad.safetensors"], "--json").Out.ShouldContain("\"nan\": 1");
    }

    [Fact]
    public void A_pattern_that_fits_nothing_is_answered_with_what_to_type()
    {
        Result result = CairnCall.Run("stats", SampleRun.Usual(_folder["run"]).Folder, "--name", "x*");
        result.Code.ShouldBe(ExitCode.WrongUse);
        result.Error.ShouldContain("Try: cairn show");
    }
}
