using System.Text.Json;
using Cairn.Cli.Tests.Samples;
using Cairn.State;

namespace Cairn.Cli.Tests.Verbs;

public sealed class ConvertTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_checkpoint_becomes_a_model_of_Hugging_Face_in_shards()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        string[] arguments = ["convert", run.PathOf("300"), _folder["model"], "--layout", "huggingface", "--shard-size", "1kB"];
        Golden.Check("convert-plan.txt", CairnCall.Run([.. arguments, "--dry-run"]).Out, _folder.Path);
        Directory.Exists(_folder["model"]).ShouldBeFalse();
        Result result = CairnCall.Run(arguments);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        Golden.Check("convert.txt", result.Out, _folder.Path);
        CairnCall.Run("diff", run.PathOf("300"), _folder["model"], "--part", "model").Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("verify", _folder["model"]).Code.ShouldBe(ExitCode.Good);
    }

    [Theory]
    [InlineData("dcp", "--form", "torchtitan")]
    [InlineData("dcp-safetensors")]
    public void A_distributed_checkpoint_of_several_ranks_has_the_same_model_and_is_listed_and_verified(string layout, params string[] form)
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result there = CairnCall.Run(["convert", run.PathOf("300"), _folder["distributed"], "--layout", layout, "--ranks", "2", "--part", "model", .. form]);
        there.Code.ShouldBe(ExitCode.Good, there.Error);
        CairnCall.Run("verify", _folder["distributed"]).Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("ls", _folder.Path).Out.ShouldContain($" {layout} ");
        CairnCall.Run("diff", run.PathOf("300"), _folder["distributed"], "--part", "model").Code.ShouldBe(ExitCode.Good);
    }

    [Theory]
    [InlineData("--ranks is for", "huggingface", "--ranks", "2")]
    [InlineData("at least 1", "dcp", "--ranks", "0")]
    [InlineData("--form is for", "dcp-safetensors", "--form", "torchtitan")]
    [InlineData("no form 'flat'", "dcp", "--form", "flat")]
    public void An_option_that_is_not_the_layouts_is_wrong_use(string said, string layout, params string[] options)
    {
        SampleFolders.Safetensors(_folder["x.safetensors"], new StateMap { ["w"] = SampleState.Singles([2], i => i) });
        Result result = CairnCall.Run(["convert", _folder["x.safetensors"], _folder["out"], "--layout", layout, .. options]);
        (result.Code, result.Error.Contains(said, StringComparison.Ordinal)).ShouldBe((ExitCode.WrongUse, true), result.Error);
    }

    [Fact]
    public void Through_a_file_of_PyTorch_and_back_nothing_changes()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("convert", run.PathOf("300"), _folder["all.pt"], "--layout", "torch", "--part", "model", "--part", "scheduler").Code.ShouldBe(ExitCode.Good);
        Result back = CairnCall.Run("convert", _folder["all.pt"], _folder["back"], "--layout", "cairn", "--step", "300", "--json");
        back.Code.ShouldBe(ExitCode.Good, back.Error);
        Golden.Check("convert.json", back.Out, _folder.Path);
        CairnCall.Run("diff", run.PathOf("300"), _folder["back/300"], "--part", "model").Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("ls", _folder["back"]).Out.ShouldContain("A restart takes 300/");
        // It has no counters, and so no measurement of its step.
        Result plan = CairnCall.Run("prune", _folder["back"], "--keep-last", "2");
        plan.Code.ShouldBe(ExitCode.Good, plan.Error);
    }

    [Fact]
    public void A_cast_is_within_the_precision_of_its_type()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("convert", run.PathOf("300"), _folder["half.pt"], "--layout", "torch", "--part", "model", "--dtype", "bf16").Code.ShouldBe(ExitCode.Good);
        Result result = CairnCall.Run("diff", run.PathOf("300"), _folder["half.pt"], "--part", "model", "--json");
        result.Code.ShouldBe(ExitCode.FoundBad);
        result.Out.ShouldContain("\"right\": \"BF16[16, 8]\"");
    }

    [Fact]
    public void What_stands_at_the_destination_is_not_replaced_unless_asked_for()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        string[] arguments = ["convert", run.PathOf("300"), _folder["m.pt"], "--layout", "torch"];
        CairnCall.Run(arguments).Code.ShouldBe(ExitCode.Good);
        Result refused = CairnCall.Run(arguments);
        refused.Code.ShouldBe(ExitCode.CouldNot);
        refused.Error.ShouldContain("already");
        CairnCall.Run([.. arguments, "--overwrite"]).Code.ShouldBe(ExitCode.Good);
    }

    [Fact]
    public async Task Interrupted_it_leaves_nothing_that_looks_finished_and_the_same_command_goes_on()
    {
        SparseModel(_folder["src.safetensors"], tensors: 12, bytesOfEach: 32 << 20);
        string[] arguments = ["convert", _folder["src.safetensors"], _folder["model"], "--layout", "huggingface", "--shard-size", "32MiB"];
        string first = _folder["model/model-00001-of-00012.safetensors"];
        Result stopped;
        int tries = 0;
        do
        {
            // It may be done before the interrupt comes; not always.
            tries.ShouldBeLessThan(20);
            if (tries++ > 0)
                Directory.Delete(_folder["model"], recursive: true);
            using CairnProcess process = CairnProcess.Start(null, arguments);
            await process.WaitForFileAsync(first);
            process.Interrupt();
            stopped = process.WaitForExit();
        }
        while (stopped.Code == ExitCode.Good);
        stopped.Code.ShouldBe(ExitCode.CouldNot, stopped.Out);
        stopped.Error.ShouldBe("What was written is kept; the same command goes on from it.\nStopped.\n");
        stopped.Out.ShouldBeEmpty();
        File.Exists(_folder["model/model.safetensors.index.json"]).ShouldBeFalse();
        Result listed = CairnCall.Run("ls", _folder["model"]);
        listed.Code.ShouldBe(ExitCode.FoundBad);
        listed.Out.ShouldContain("incomplete: a conversion into it was interrupted");
        CairnCall.Run("verify", _folder["model"]).Code.ShouldBe(ExitCode.FoundBad);
        DateTime written = File.GetLastWriteTimeUtc(first);

        Result resumed = CairnCall.Run([.. arguments, "--json"]);
        resumed.Code.ShouldBe(ExitCode.Good, resumed.Error);
        JsonElement json = JsonDocument.Parse(resumed.Out).RootElement;
        json.GetProperty("bytes_kept").GetInt64().ShouldBeGreaterThanOrEqualTo(32 << 20);
        json.GetProperty("tensors_verified").GetInt32().ShouldBe(12);
        File.GetLastWriteTimeUtc(first).ShouldBe(written);
        Directory.EnumerateFiles(_folder["model"]).Select(Path.GetFileName).ShouldAllBe(name => name!.StartsWith("model", StringComparison.Ordinal) && !name.EndsWith(".partial", StringComparison.Ordinal));
        CairnCall.Run("diff", _folder["src.safetensors"], _folder["model"]).Code.ShouldBe(ExitCode.Good);
    }

    // Zeros that take no room.
    private static void SparseModel(string path, int tensors, long bytesOfEach)
    {
        string entries = string.Join(',', Enumerable.Range(0, tensors).Select(i => $$"""
            "layers.{{i}}.w":{"dtype":"U8","shape":[{{bytesOfEach}}],"data_offsets":[{{i * bytesOfEach}},{{(i + 1) * bytesOfEach}}]}
            """));
        byte[] header = System.Text.Encoding.ASCII.GetBytes("{" + entries + "}");
        using FileStream file = File.Create(path);
        file.Write(BitConverter.GetBytes((long)header.Length));
        file.Write(header);
        file.SetLength(8 + header.Length + (tensors * bytesOfEach));
    }

    [Theory]
    [InlineData(new[] { "--layout", "keras" }, "There is no layout 'keras'. Give one of")]
    [InlineData(new[] { "--layout", "torch", "--dtype", "int8" }, "Give one of fp64, fp32, fp16, bf16.")]
    [InlineData(new[] { "--layout", "torch", "--shard-size", "1GB" }, "--shard-size is for --layout huggingface.")]
    [InlineData(new[] { "--layout", "torch", "--part", "modle" }, "Parts there: model, optimizer, scheduler, context.")]
    [InlineData(new[] { "--layout", "torch", "--set", "heads=2" }, "are for --rules.")]
    [InlineData(new[] { "--layout", "torch", "--rules", "internlm2-to-llama", "--set", "heads" }, "Example: --set heads=32")]
    public void A_wrong_option_is_answered_with_what_to_type(string[] options, string answer)
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result result = CairnCall.Run(["convert", run.Folder, _folder["m.pt"], .. options]);
        result.Code.ShouldBe(ExitCode.WrongUse);
        result.Error.ShouldContain(answer);
    }
}
