using System.Text.Json;
using Cairn.Cli.Tests.Samples;
using Cairn.State;

namespace Cairn.Cli.Tests.Verbs;

public sealed class VerifyTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_good_run_and_a_good_file_are_good()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result result = CairnCall.Run("verify", run.Folder, run.PathOf("200/model_tp0_pp0.safetensors"));
        result.Code.ShouldBe(ExitCode.Good);
        Golden.Check("verify.txt", result.Out, _folder.Path);
    }

    [Fact]
    public void Files_of_a_distributed_checkpoint_whose_save_did_not_end_are_not_called_damaged()
    {
        Directory.CreateDirectory(_folder["step-1000"]);
        foreach (string file in Directory.GetFiles(SampleFolders.Distributed(), "*.distcp"))
            File.Copy(file, _folder[$"step-1000/{Path.GetFileName(file)}"]);
        Result result = CairnCall.Run("verify", _folder["step-1000"]);
        result.Code.ShouldBe(ExitCode.FoundBad);
        result.Out.ShouldContain("there is no .metadata: the save did not end");
        result.Out.ShouldNotContain("Restore the file");
    }

    [Fact]
    public void A_turned_bit_a_short_file_and_a_missing_marker_are_named()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        SampleDamage.Flip(run.PathOf("300/optimizer_tp0_pp0_zo0.safetensors"));
        File.WriteAllText(run.PathOf("200/context.json"), "");
        File.Delete(run.PathOf("100/100.step"));
        Result result = CairnCall.Run("verify", run.Folder, "--json");
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("verify-bad.json", result.Out, _folder.Path);
        CairnCall.Run("verify", run.PathOf("300")).Code.ShouldBe(ExitCode.FoundBad);
        CairnCall.Run("verify", run.PathOf("snapshot/1")).Code.ShouldBe(ExitCode.Good);
    }

    [Theory]
    [InlineData("state", "optimizer.bin", ExitCode.Good)]
    [InlineData("checkpoint-500", "optimizer.bin", ExitCode.Good)]
    [InlineData("best", "training_args.bin", ExitCode.Good)]
    [InlineData("checkpoint-500", "optimizer.pt", ExitCode.FoundBad)]
    public void Only_a_checkpoint_of_the_Trainer_needs_its_state(string folder, string file, int code)
    {
        Directory.CreateDirectory(_folder[folder]);
        SampleFolders.Safetensors(_folder[$"{folder}/model.safetensors"], SampleState.Model(1));
        SampleFolders.Torch(_folder[$"{folder}/{file}"], new StateMap { ["state"] = new StateMap() });
        Result result = CairnCall.Run("verify", _folder[folder]);
        result.Code.ShouldBe(code, result.Out);
        result.Out.Contains("the save did not end", StringComparison.Ordinal).ShouldBe(code != ExitCode.Good);
    }

    [Fact]
    public void Every_fault_of_a_copy_is_named()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        SampleDamage.Flip(run.PathOf("300/model_tp0_pp0.safetensors"));
        SampleDamage.Flip(run.PathOf("300/optimizer_tp0_pp0_zo0.safetensors"));
        File.Delete(run.PathOf("300/scheduler.json"));
        File.WriteAllText(run.PathOf("300/context.json"), "");
        Result result = CairnCall.Run("verify", run.PathOf("300"));
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("verify-many-faults.txt", result.Out, _folder.Path);
        CairnCall.Run("ls", run.Folder).Out.ShouldContain("incomplete: scheduler.json: the file is missing and 1 more");
        SampleFolders.Trainer(_folder["trainer"]);
        foreach (string name in new[] { "model.safetensors", "optimizer.pt" })
            File.WriteAllText(_folder[$"trainer/checkpoint-1500/{name}"], "cut");
        JsonElement faults = JsonDocument.Parse(CairnCall.Run("verify", _folder["trainer/checkpoint-1500"], "--json").Out).RootElement.GetProperty("copies")[0].GetProperty("faults");
        faults.EnumerateArray().Select(fault => fault.TryGetProperty("file", out JsonElement file) ? file.GetString() : null).ShouldBe([null, "model.safetensors", "optimizer.pt"]);
    }

    [Fact]
    public void What_does_not_fit_together_is_no_fault_of_one_file()
    {
        SampleFolders.InternLm(_folder["run"]);
        SampleFolders.Torch(_folder["run/100/optimizer_tp0_pp0_zo0.pt"], new StateMap { ["nothing"] = 1L });
        JsonElement fault = JsonDocument.Parse(CairnCall.Run("verify", _folder["run/100"], "--json").Out).RootElement.GetProperty("copies")[0].GetProperty("faults")[0];
        fault.TryGetProperty("file", out _).ShouldBeFalse(fault.ToString());
        fault.GetProperty("reason").GetString()!.ShouldContain("cannot be put together");
    }

    [Fact]
    public void Of_other_formats_it_says_what_it_could_not_check()
    {
        SampleFolders.Trainer(_folder["trainer"]);
        SampleFolders.TorchFiles(_folder["torch"]);
        Result result = CairnCall.Run("verify", _folder["trainer"], _folder["torch"], SampleFolders.Distributed());
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("verify-others.txt", result.Out.Replace(SampleFolders.Distributed(), "<distributed>", StringComparison.Ordinal), _folder.Path);
    }

    [Fact]
    public void A_turned_bit_in_a_file_of_PyTorch_shows_in_its_checksum()
    {
        SampleFolders.TorchFiles(_folder["torch"]);
        string path = _folder["torch/model_step100.pt"];
        byte[] bytes = File.ReadAllBytes(path);
        // A value of 1 of the weights of a norm.
        int place = bytes.AsSpan().IndexOf((ReadOnlySpan<byte>)[0, 0, 0x80, 0x3F, 0, 0, 0x80, 0x3F, 0, 0, 0x80, 0x3F]);
        bytes[place] ^= 1;
        File.WriteAllBytes(path, bytes);
        Result result = CairnCall.Run("verify", path);
        result.Code.ShouldBe(ExitCode.FoundBad);
        result.Out.ShouldContain("BAD");
    }

    [Fact]
    public void A_turned_bit_in_a_distributed_checkpoint_shows_in_the_checksum_of_its_chunk()
    {
        Directory.CreateDirectory(_folder["dcp"]);
        foreach (string file in Directory.EnumerateFiles(SampleFolders.Distributed()))
            File.Copy(file, _folder["dcp/" + Path.GetFileName(file)]);
        CairnCall.Run("verify", _folder["dcp"]).Code.ShouldBe(ExitCode.Good);
        byte[] bytes = File.ReadAllBytes(_folder["dcp/__1_0.distcp"]);
        // In the middle of the first pickle, whose name is not far from the start.
        bytes[bytes.AsSpan().IndexOf("data.pkl"u8) + 80] ^= 1;
        File.WriteAllBytes(_folder["dcp/__1_0.distcp"], bytes);
        Result result = CairnCall.Run("verify", _folder["dcp"]);
        result.Code.ShouldBe(ExitCode.FoundBad);
        result.Out.ShouldContain("__1_0.distcp");
    }

    [Fact]
    public async Task What_takes_long_shows_how_far_how_fast_and_how_long_still()
    {
        using (CairnProcess process = CairnProcess.StartOnTerminal(null, null, "verify", Sparse(64L << 30)))
        {
            await process.WaitForMatchAsync(@"verify ━+ +\d+% [\d.]+/68\.7 GB [\d.]+ [MG]B/s \d\d:\d\d:\d\d");
        }
        // In a pipe there is nobody to watch.
        CairnCall.Run("verify", Sparse(1L << 30)).Error.ShouldBeEmpty();
    }

    [Fact]
    public async Task Interrupted_it_ends_at_once_and_says_so()
    {
        string path = Sparse(64L << 30);
        using CairnProcess process = CairnProcess.Start(null, "verify", path);
        await process.WaitForUseOfAsync(path);
        process.Interrupt();
        Result result = process.WaitForExit();
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Error.ShouldBe("Stopped.\n");
        result.Out.ShouldBeEmpty();
    }

    // It is long to read and takes no room.
    private string Sparse(long bytes)
    {
        string path = _folder["sparse.safetensors"];
        using FileStream file = File.Create(path);
        byte[] header = System.Text.Encoding.ASCII.GetBytes($$$"""{"w":{"dtype":"U8","shape":[{{{bytes}}}],"data_offsets":[0,{{{bytes}}}]}}""");
        file.Write(BitConverter.GetBytes((long)header.Length));
        file.Write(header);
        file.SetLength(8 + header.Length + bytes);
        return path;
    }
}
