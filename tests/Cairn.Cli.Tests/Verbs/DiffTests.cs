using Cairn.Cli.Tests.Samples;
using Cairn.State;

namespace Cairn.Cli.Tests.Verbs;

public sealed class DiffTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Two_steps_differ_part_by_part()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result result = CairnCall.Run("diff", run.PathOf("200"), run.PathOf("300"));
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("diff.txt", result.Out, _folder.Path);
        Golden.Check("diff.json", CairnCall.Run("diff", run.PathOf("200"), run.PathOf("300"), "--part", "model", "--json").Out, _folder.Path);
    }

    [Fact]
    public void Identical_is_said_in_one_line()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result result = CairnCall.Run("diff", run.PathOf("300"), run.PathOf("300"));
        result.Code.ShouldBe(ExitCode.Good);
        Golden.Check("diff-identical.txt", result.Out, _folder.Path);
    }

    [Fact]
    public void A_tolerance_makes_small_differences_none()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("diff", run.PathOf("200"), run.PathOf("300"), "--part", "model", "--tolerance", "0.001").Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("diff", run.PathOf("200"), run.PathOf("300"), "--part", "model", "--tolerance", "0.00001").Code.ShouldBe(ExitCode.FoundBad);
    }

    [Fact]
    public void Tensors_added_removed_reshaped_and_retyped_are_told_across_layouts()
    {
        SampleFolders.Torch(_folder["a.pt"], new StateMap
        {
            ["same"] = SampleState.Singles([2], i => i),
            ["gone"] = SampleState.Singles([2], i => i),
            ["shape"] = SampleState.Singles([2], i => i),
            ["type"] = SampleState.Singles([2], i => i),
        });
        SampleFolders.Safetensors(_folder["b.safetensors"], new StateMap
        {
            ["same"] = SampleState.Singles([2], i => i),
            ["shape"] = SampleState.Singles([2, 1], i => i),
            ["type"] = CastTensor.Of(SampleState.Singles([2], i => i), TensorType.F64),
            ["new"] = SampleState.Singles([2], i => i),
        });
        Result result = CairnCall.Run("diff", _folder["a.pt"], _folder["b.safetensors"]);
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("diff-layouts.txt", result.Out, _folder.Path);
    }

    [Fact]
    public void What_became_NaN_differs_infinitely_and_has_no_cosine()
    {
        SampleFolders.Safetensors(_folder["a.safetensors"], new StateMap { ["w"] = SampleState.Singles([4], i => i) });
        SampleFolders.Safetensors(_folder["b.safetensors"], new StateMap { ["w"] = SampleState.Singles([4], i => i == 2 ? double.NaN : i) });
        Result result = CairnCall.Run("diff", _folder["a.safetensors"], _folder["b.safetensors"]);
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("diff-nan.txt", result.Out, _folder.Path);
        CairnCall.Run("diff", _folder["a.safetensors"], _folder["b.safetensors"], "--json").Out.ShouldContain("\"one_nan\": 1");
    }

    [Fact]
    public void What_is_NaN_on_both_sides_is_told_and_never_called_equal()
    {
        StateTensor values = SampleState.Singles([4], i => i == 2 ? double.NaN : i);
        SampleFolders.Safetensors(_folder["a.safetensors"], new StateMap { ["w"] = values });
        SampleFolders.Safetensors(_folder["b.safetensors"], new StateMap { ["w"] = CastTensor.Of(values, TensorType.F64) });
        SampleFolders.Safetensors(_folder["c.safetensors"], new StateMap { ["w"] = SampleState.Singles([4], i => i == 2 ? double.NaN : i + 1e-6) });
        Golden.Check("diff-both-nan.txt", CairnCall.Run("diff", _folder["a.safetensors"], _folder["b.safetensors"]).Out, _folder.Path);
        CairnCall.Run("diff", _folder["a.safetensors"], _folder["c.safetensors"], "--tolerance", "1").Code.ShouldBe(ExitCode.FoundBad);
    }
}
