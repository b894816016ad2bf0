using System.Text.Json;
using Cairn.Cli.Tests.Samples;
using Cairn.State;

namespace Cairn.Cli.Tests.Verbs;

public sealed class ShowTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Control_characters_in_names_do_not_reach_a_terminal()
    {
        SampleFolders.Torch(_folder["evil.pt"], new StateMap { ["w\u001b[2J\u009b\nx"] = SampleState.Singles([2], i => i) });
        foreach (string verb in new[] { "show", "stats" })
        {
            Result result = CairnCall.Run([verb, _folder["evil.pt"], .. verb == "show" ? ["--tensors"] : Array.Empty<string>()]);
            result.Code.ShouldBe(ExitCode.Good, result.Error);
            result.Out.ShouldContain("w\\u001B[2J\\u009B x");
        }
        Result unknown = CairnCall.Run("show", _folder["evil.pt"], "--part", "\u001b[2J");
        unknown.Error.ShouldContain("'\\u001B[2J'");
    }

    [Fact]
    public void A_checkpoint_shows_counters_world_parts_parameters_and_tensors()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result result = CairnCall.Run("show", run.PathOf("300"), "--tensors");
        result.Code.ShouldBe(ExitCode.Good);
        Golden.Check("show.txt", result.Out, _folder.Path);
        Golden.Check("show.json", CairnCall.Run("show", run.PathOf("300"), "--part", "model", "--json").Out, _folder.Path);
    }

    [Fact]
    public void A_run_stands_for_what_a_restart_would_take() =>
        CairnCall.Run("show", SampleRun.Usual(_folder["run"]).Folder).Out.ShouldContain("snapshot of step 320");

    [Fact]
    public void Shards_of_many_ranks_are_counted() =>
        Golden.Check("show-dcp.txt", CairnCall.Run("show", SampleFolders.Distributed(), "--tensors").Out, SampleFolders.Distributed());

    [Fact]
    public void Files_and_folders_of_other_programs_are_shown()
    {
        SampleFolders.TorchFiles(_folder["torch"]);
        SampleFolders.Trainer(_folder["trainer"]);
        Golden.Check("show-torch.txt", CairnCall.Run("show", _folder["torch/model_step100.pt"]).Out, _folder.Path);
        Golden.Check("show-trainer.txt", CairnCall.Run("show", _folder["trainer/checkpoint-500"]).Out, _folder.Path);
    }

    [Fact]
    public void A_checkpoint_of_Lightning_has_its_parts_and_its_step()
    {
        SampleFolders.Torch(_folder["last.ckpt"], new StateMap
        {
            ["state_dict"] = SampleState.Model(1), ["optimizer_states"] = new StateList([new StateMap { ["state"] = new StateMap(), ["param_groups"] = new StateList() }]),
            ["lr_schedulers"] = new StateList([new StateMap { ["last_epoch"] = 3L }]), ["epoch"] = 1L, ["global_step"] = 5L,
        });
        JsonElement shown = JsonDocument.Parse(CairnCall.Run("show", _folder["last.ckpt"], "--json").Out).RootElement;
        shown.GetProperty("step").GetInt64().ShouldBe(5);
        shown.GetProperty("parts").EnumerateArray().Select(part => part.GetProperty("name").GetString()).ShouldBe(["model", "optimizer", "scheduler", "context"]);
    }

    [Fact]
    public void Weights_that_are_not_read_are_noted()
    {
        foreach (string name in new[] { "model.safetensors", "model-00001-of-00001.safetensors" })
            SampleFolders.Safetensors(_folder[name], SampleState.Model(1));
        Result result = CairnCall.Run("show", _folder.Path);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        result.Out.ShouldContain("Note: model.safetensors is read, as transformers does; not read: model-00001-of-00001.safetensors.");
        File.Delete(_folder["model.safetensors"]);
        CairnCall.Run("show", _folder.Path).Out.ShouldContain("Note: there is no index");
        CairnCall.Run("verify", _folder.Path).Code.ShouldBe(ExitCode.Good);
        Result strict = CairnCall.Run("verify", _folder.Path, "--strict");
        strict.Code.ShouldBe(ExitCode.FoundBad);
        strict.Out.ShouldContain("there is no index");
        Result refused = CairnCall.Run("show", _folder.Path, "--strict");
        refused.Code.ShouldBe(ExitCode.CouldNot);
        refused.Error.ShouldContain("not taken with --strict: there is no index");
    }

    [Fact]
    public void A_damaged_part_is_named_and_hides_no_other()
    {
        SampleFolders.Trainer(_folder["trainer"]);
        string optimizer = _folder["trainer/checkpoint-500/optimizer.pt"];
        File.WriteAllBytes(optimizer, File.ReadAllBytes(optimizer)[..^30]);
        Result result = CairnCall.Run("show", _folder["trainer/checkpoint-500"]);
        result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
        result.Out.ShouldContain("The part 'optimizer' cannot be read: ");
        result.Out.ShouldContain("parameters of");
    }

    [Fact]
    public void Of_very_many_values_some_are_shown_and_all_are_counted()
    {
        var many = new StateList();
        for (long i = 0; i < 5000; i++)
            many.Add(i);
        SampleFolders.Torch(_folder["many.pt"], new StateMap { ["model"] = SampleState.Model(1), ["epoch"] = 3L, ["seen"] = many });
        string shown = CairnCall.Run("show", _folder["many.pt"]).Out;
        shown.ShouldContain("and 4,941 values more: --values lists all");
        shown.Split('\n').Length.ShouldBeLessThan(100);
        JsonElement json = JsonDocument.Parse(CairnCall.Run("show", _folder["many.pt"], "--json").Out).RootElement;
        json.GetProperty("train").EnumerateObject().Count().ShouldBe(1000);
        json.GetProperty("train_more").GetInt64().ShouldBe(4001);
    }

    [Fact]
    public void A_part_that_is_not_there_is_answered_with_those_that_are()
    {
        Result result = CairnCall.Run("show", SampleRun.Usual(_folder["run"]).Folder, "--part", "modle");
        result.Code.ShouldBe(ExitCode.WrongUse);
        result.Error.ShouldContain("Parts there: model, optimizer, scheduler, context.");
    }
}
