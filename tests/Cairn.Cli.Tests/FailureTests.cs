using Cairn.Cli.Tests.Samples;
using Cairn.State;

namespace Cairn.Cli.Tests;

/// <summary>What goes wrong is told in words: no verb shows a stack trace.</summary>
public sealed class FailureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("huggingface", "'step' is no tensor")]
    public void A_part_that_is_no_flat_map_of_tensors_is_refused_by_its_entry(string layout, string said)
    {
        SampleFolders.Torch(_folder["flat.pt"], new StateMap { ["w"] = SampleState.Singles([2], i => i), ["step"] = 3L });
        CouldNot("convert", _folder["flat.pt"], _folder["out"], "--layout", layout).Error.ShouldContain(said);
        SampleFolders.Torch(_folder["parts.pt"], new StateMap { ["model"] = new StateMap { ["step"] = 3L }, ["ema"] = new StateMap { ["w"] = SampleState.Singles([2], i => i) } });
        CouldNot("convert", _folder["parts.pt"], _folder["out"], "--layout", layout).Error.ShouldContain("choose the part that is one");
    }

    [Theory]
    [InlineData(TensorType.C128, "cairn")]
    [InlineData(TensorType.C128, "huggingface")]
    [InlineData(TensorType.C32, "cairn")]
    public void Types_that_a_layout_does_not_have_are_refused_by_the_tensors_name(TensorType type, string layout)
    {
        SampleFolders.Torch(_folder["x.pt"], new StateMap { ["odd"] = new MemoryTensor(type, [2], new byte[type.ByteLength([2])]) });
        CouldNot("convert", _folder["x.pt"], _folder["out"], "--layout", layout).Error.ShouldContain("'odd'");
    }

    [Theory]
    [InlineData(TensorType.F4)]
    [InlineData(TensorType.F6E2M3)]
    [InlineData(TensorType.F6E3M2)]
    [InlineData(TensorType.C64)]
    public void Types_of_parts_of_bytes_and_complex_ones_end_no_verb(TensorType type)
    {
        SampleFolders.Safetensors(_folder["x.safetensors"], new StateMap { ["odd"] = new MemoryTensor(type, [8], new byte[type.ByteLength([8])]) });
        foreach (string verb in new[] { "show", "verify", "stats", "ls" })
            NoTrace(verb, _folder["x.safetensors"]).Code.ShouldBe(ExitCode.Good);
        NoTrace("diff", _folder["x.safetensors"], _folder["x.safetensors"]).Code.ShouldBe(ExitCode.Good);
        foreach (string layout in new[] { "cairn", "huggingface", "internlm" })
            NoTrace("convert", _folder["x.safetensors"], _folder[layout], "--layout", layout);
        Result torch = NoTrace("convert", _folder["x.safetensors"], _folder["x.pt"], "--layout", "torch");
        if (type != TensorType.C64)
            torch.Error.ShouldContain("odd");
        NoTrace("convert", _folder["x.safetensors"], _folder["cast"], "--layout", "huggingface", "--dtype", "bf16");
    }

    [Fact]
    public void A_list_that_is_deeper_than_a_layout_holds_is_refused_by_its_place()
    {
        StateNode deep = 1L;
        for (int i = 0; i < 70; i++)
            deep = new StateList([deep]);
        SampleFolders.Torch(_folder["deep.pt"], new StateMap { ["model"] = new StateMap { ["w"] = SampleState.Singles([2], i => i) }, ["x"] = deep });
        CouldNot("convert", _folder["deep.pt"], _folder["out"], "--layout", "cairn").Error.ShouldContain("'x/0/0");
        foreach (string verb in new[] { "show", "verify", "stats" })
            NoTrace(verb, _folder["deep.pt"]).Code.ShouldBe(ExitCode.Good);
    }

    [Theory]
    [InlineData("show", "")]
    [InlineData("ls", " ")]
    [InlineData("verify", "/dev/null")]
    [InlineData("show", "/dev/null")]
    [InlineData("diff", "/", "/")]
    [InlineData("stats", "/")]
    [InlineData("convert", "/", "/nowhere", "--layout", "cairn")]
    [InlineData("watch", "/")]
    [InlineData("stop", "/")]
    [InlineData("audit", "/")]
    [InlineData("plan", "--check", "/")]
    [InlineData("prune", "/")]
    [InlineData("branch", "/", "--from", "3")]
    public void Odd_arguments_end_in_words(params string[] arguments) => NoTrace(arguments).Code.ShouldNotBe(ExitCode.Good);

    [Fact]
    public void The_whole_error_is_shown_when_it_is_asked_for()
    {
        Result result = CairnProcess.RunShell("sh", "-c", $"CAIRN_DEBUG=1 cairn show {_folder["nothing"]}");
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Error.ShouldContain("   at ");
    }

    private static Result CouldNot(params string[] arguments)
    {
        Result result = NoTrace(arguments);
        result.Code.ShouldBe(ExitCode.CouldNot, result.Out + result.Error);
        return result;
    }

    private static Result NoTrace(params string[] arguments)
    {
        Result result = CairnCall.Run(arguments);
        string all = result.Out + result.Error;
        all.ShouldNotContain("   at ");
        all.ShouldNotContain("Unhandled");
        all.ShouldNotContain("(Parameter");
        all.ShouldNotContain("This should not happen", customMessage: string.Join(' ', arguments));
        return result;
    }
}
