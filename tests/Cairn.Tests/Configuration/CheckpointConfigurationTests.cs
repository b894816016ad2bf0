using System.Text;
using Cairn.Configuration;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Cairn.Tests.Configuration;

public class CheckpointConfigurationTests
{
    [Fact]
    public void A_configuration_of_InternLM_is_understood()
    {
        CheckpointOptions options = Bind("""
            {
              "enable_save_ckpt": true, "save_ckpt_folder": "local:/data/ckpts", "auto_resume": false,
              "checkpoint_every": 500, "oss_snapshot_freq": 250, "stop_file_path": "local:/data/stop", "async_upload": false,
              "async_upload_tmp_folder": "/dev/shm/internlm_tmp_ckpt/",
              "load_ckpt_info": { "path": "local:/data/base/1000", "content": ["model", "optimizer"], "ckpt_type": "internevo" }
            }
            """, out IReadOnlyList<string> notes);
        (options.Enabled, options.Folder, options.AutoResume).ShouldBe((true, "/data/ckpts", false));
        (options.CheckpointEvery, options.SnapshotEvery, options.StopFile, options.Asynchronous).ShouldBe((500, 250, "/data/stop", false));
        options.ResumeFrom.ShouldBe("/data/base/1000");
        options.ResumeParts.ShouldBe(["model", "optimizer"]);
        notes.ShouldHaveSingleItem().ShouldContain("async_upload_tmp_folder");
    }

    [Theory]
    [InlineData("s3-of-a-test://bucket/run", true, "/dev/shm/internlm_tmp_ckpt/")]
    [InlineData("s3-of-a-test://bucket/run", false, null)]
    [InlineData("local:/data/ckpts", true, null)]
    public void The_folder_for_uploads_is_the_fast_folder_of_a_run_in_a_store_that_saves_in_the_background(string folder, bool asynchronous, string? fast)
    {
        Cairn.Stores.RunStores.Register("s3-of-a-test", static _ => new Stores.MemoryRunStore());
        CheckpointOptions options = Bind($$"""{ "async_upload_tmp_folder": "/dev/shm/internlm_tmp_ckpt/", "async_upload": {{(asynchronous ? "true" : "false")}}, "save_ckpt_folder": "{{folder}}" }""", out IReadOnlyList<string> notes);
        options.FastFolder.ShouldBe(fast);
        notes.Count.ShouldBe(fast is null ? 1 : 0);
    }

    [Theory]
    [InlineData("CheckpointEvery")]
    [InlineData("checkpoint_every")]
    [InlineData("CHECKPOINT_EVERY")]
    [InlineData("checkpointEvery")]
    public void A_name_may_be_written_in_any_case(string key) => Bind($$"""{ "{{key}}": 7 }""", out _).CheckpointEvery.ShouldBe(7);

    [Fact]
    public void Every_option_can_be_configured_by_its_name()
    {
        CheckpointOptions options = Bind("""
            {
              "Folder": "f", "FastFolder": "/dev/shm/f", "Replicas": 1, "ReplicaBytesPerSecond": 8, "Layout": "internlm", "Enabled": false, "TotalSteps": 1, "CheckpointEvery": 2, "CheckpointInterval": "01:00:00", "SnapshotEvery": 3, "SnapshotStallBudget": 0.02,
              "SnapshotInterval": "00:10:00", "Asynchronous": false, "OverlapCapture": true, "ShareUnchanged": false, "AutoResume": false, "ResumeFrom": "500", "ResumeParts": "model, optimizer", "ResumeSettings": "program",
              "ResumeAllowMissing": ["head.*", "lm_head.*"], "resume_allow_unexpected": "old.*", "SaveBestMetric": "m", "save_best_higher": true, "SaveBestMinDelta": 0.25, "load_best_model_at_end": true,
              "Branch": "b", "StopFile": "s", "HandleSignals": false, "StopGrace": "00:01:30", "RankTimeout": "00:05:00", "StoreTimeout": "00:04:00", "LeaseDuration": "00:01:00", "KeepLast": 4, "KeepEvery": 5, "KeepBest": 6, "KeepBestMetric": "m",
              "KeepBestHigher": true, "KeepWithinBytes": 7, "KeepOptimizer": 3, "KeepEach": "06:00:00", "KeepSpread": 50, "RefuseNonFiniteSnapshots": false, "FailOnError": true, "VerifyHashes": false, "ProbeStore": false, "DirectIO": "never", "tensorboard_folder": "tb",
              "Alerts": ["https://hooks.slack.com/services/x"], "AlertCopyAge": "01:00:00", "AlertSilence": "00:20:00", "AlertInterval": "00:05:00"
            }
            """, out _);
        CheckpointOptions defaults = new();
        // Objects come from the program, or from dependency injection.
        foreach (System.Reflection.PropertyInfo property in typeof(CheckpointOptions).GetProperties().Where(property => !property.PropertyType.IsInterface || property.PropertyType.IsGenericType))
            property.GetValue(options).ShouldNotBe(property.GetValue(defaults), property.Name);
        options.ResumeParts.ShouldBe(["model", "optimizer"]);
        options.ResumeAllowMissing.ShouldBe(["head.*", "lm_head.*"]);
        options.SaveBestMinDelta.ShouldBe(0.25);
        options.CheckpointInterval.ShouldBe(TimeSpan.FromHours(1));
    }

    [Fact]
    public void InternLMs_address_for_alerts_counts_unless_it_is_switched_off_and_no_note_shows_it()
    {
        const string Monitor = """{ "save_ckpt_folder": "f", "monitor": { "alert": { "enable_feishu_alert": SWITCH, "feishu_alert_address": "https://relay.local/secret", "light_monitor_address": "10.0.0.1" }, "tensorboard": { "queue_max_length": 10 } } }""";
        Bind(Monitor.Replace("SWITCH", "true", StringComparison.Ordinal), out IReadOnlyList<string> notes).Alerts.ShouldBe(["feishu:https://relay.local/secret"]);
        notes.ShouldContain(note => note.Contains("light_monitor_address", StringComparison.Ordinal));
        Bind(Monitor.Replace("SWITCH", "false", StringComparison.Ordinal), out IReadOnlyList<string> off).Alerts.ShouldBeEmpty();
        notes.Concat(off).ShouldAllBe(note => !note.Contains("secret", StringComparison.Ordinal));
        Bind("""{ "alerts": "https://pager.local/a", "feishu_alert_address": "https://pager.local/a" }""", out _).Alerts.ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-1)]
    public void A_snapshot_frequency_of_at_most_one_means_none_as_in_InternLM(int frequency) =>
        Bind($$"""{ "oss_snapshot_freq": {{frequency}} }""", out _).SnapshotEvery.ShouldBe(0);

    [Theory, InlineData("SnapshotEvery", "auto"), InlineData("snapshot_every", " Auto ")]
    public void Snapshots_may_have_no_interval(string key, string text)
    {
        CheckpointOptions options = Bind($$"""{ "checkpoint_every": 500, "{{key}}": "{{text}}" }""", out _);
        options.SnapshotEvery.ShouldBe(CheckpointOptions.Auto);
        (options.SnapshotSteps, options.SnapshotsAreContinuous).ShouldBe((null, true));
        options.Warnings().ShouldBeEmpty();
    }

    [Fact]
    public void What_is_neither_a_number_of_steps_nor_auto_is_refused()
    {
        Failures("""{ "SnapshotEvery": "automatic" }""").ShouldHaveSingleItem().ShouldBe("'ckpt:SnapshotEvery': expected a whole number or auto, found 'automatic'.");
        Bind("""{ "SnapshotEvery": -9223372036854775808 }""", out _).SnapshotEvery.ShouldNotBe(CheckpointOptions.Auto);
        Failures("""{ "CheckpointEvery": "auto" }""").ShouldHaveSingleItem().ShouldContain("expected a whole number, found 'auto'");
        Failures("""{ "SnapshotEvery": "auto", "oss_snapshot_freq": 50 }""").ShouldHaveSingleItem().ShouldBe("'ckpt:oss_snapshot_freq' and 'ckpt:SnapshotEvery' both set SnapshotEvery, to '50' and 'auto'. Keep one of them.");
        Failures("""{ "SnapshotEvery": "auto", "SnapshotStallBudget": "1%" }""").ShouldHaveSingleItem().ShouldContain("expected a number, found '1%'");
    }

    [Fact]
    public void An_infinite_interval_means_no_checkpoints_by_steps()
    {
        Bind("""{ "checkpoint_every": "inf" }""", out _).CheckpointEvery.ShouldBeNull();
        Bind("""{ "checkpoint_every": null }""", out _).CheckpointEvery.ShouldBeNull();
    }

    [Fact]
    public void All_content_means_all_parts() =>
        Bind("""{ "load_ckpt_info": { "path": "p", "content": ["all"] } }""", out _).ResumeParts.ShouldBeEmpty();

    [Fact]
    public void Content_without_a_path_loads_nothing()
    {
        CheckpointOptions options = Bind("""{ "load_ckpt_info": { "path": null, "content": ["model"] } }""", out _);
        options.ResumeFrom.ShouldBeNull();
        options.ResumeParts.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("boto3:s3://bucket.endpoint/prefix")]
    [InlineData("s3://bucket/prefix")]
    [InlineData("oss2:ali://bucket/prefix")]
    [InlineData("volc:vc://bucket/prefix")]
    public void A_store_of_InternLM_that_is_not_built_in_names_the_missing_package(string folder) =>
        Failures($$"""{ "save_ckpt_folder": "{{folder}}" }""").ShouldHaveSingleItem().ShouldContain("Add the package Cairn.S3");

    [Theory]
    [InlineData("chekpoint_every", "CheckpointEvery")]
    [InlineData("oss_snapshot_frequency", "oss_snapshot_freq")]
    [InlineData("SaveCkptFolders", "save_ckpt_folder")]
    public void An_unknown_key_is_an_error_with_the_nearest_name(string key, string meant) =>
        Failures($$"""{ "{{key}}": 1 }""").ShouldHaveSingleItem().ShouldContain($"Did you mean '{meant}'?");

    [Fact]
    public void An_unknown_key_unlike_any_other_gets_no_guess() =>
        Failures("""{ "gradient_clipping": 1 }""").ShouldHaveSingleItem().ShouldNotContain("Did you mean");

    [Fact]
    public void Two_names_of_one_option_must_agree()
    {
        Bind("""{ "Folder": "a", "save_ckpt_folder": "local:a" }""", out _).Folder.ShouldBe("a");
        Failures("""{ "Folder": "a", "save_ckpt_folder": "b" }""").ShouldHaveSingleItem().ShouldContain("both set Folder");
        Failures("""{ "CheckpointEvery": 5, "checkpoint_every": 6 }""").ShouldHaveSingleItem().ShouldContain("both set CheckpointEvery");
        Failures("""{ "ResumeFrom": "p", "ResumeParts": ["model"], "load_ckpt_info": { "path": "p", "content": ["optimizer"] } }""")
            .ShouldHaveSingleItem().ShouldContain("both set ResumeParts");
    }

    [Theory, InlineData("hf"), InlineData("llama"), InlineData("hf_llama")]
    public void Weights_of_other_programs_are_no_progress_to_resume_from(string type)
    {
        CheckpointOptions options = Bind($$"""{ "load_ckpt_info": { "path": "/weights", "content": ["model"], "ckpt_type": "{{type}}" } }""", out IReadOnlyList<string> notes);
        (options.ResumeFrom, options.ResumeParts.Count).ShouldBe((null, 0));
        notes.ShouldHaveSingleItem().ShouldContain("model.LoadWeights(\"/weights\")");
        Failures("""{ "load_ckpt_info": { "path": "p", "ckpt_type": "onnx" } }""").ShouldHaveSingleItem().ShouldContain("'onnx' is not known");
    }

    [Fact]
    public void What_of_InternEvo_does_not_concern_Cairn_is_a_note()
    {
        Bind("""{ "checkpoint_every": 50, "enable_internevo2hf_ckpt": true, "universal_ckpt": { "enable": true, "aysnc_save": true } }""", out IReadOnlyList<string> notes).CheckpointEvery.ShouldBe(50);
        notes.Count.ShouldBe(2);
        notes.ShouldAllBe(note => note.Contains("has no effect"));
    }

    [Theory]
    [InlineData("""{ "CheckpointEvery": "often" }""", "whole number")]
    [InlineData("""{ "KeepLast": 3000000000 }""", "at most")]
    [InlineData("""{ "Enabled": "perhaps" }""", "true or false")]
    [InlineData("""{ "CheckpointInterval": "10" }""", "hh:mm:ss")]
    [InlineData("""{ "Folder": ["a"] }""", "one value")]
    [InlineData("""{ "load_ckpt_info": "p" }""", "a section")]
    [InlineData("""{ "load_ckpt_info": { "file": "p" } }""", "path, content and ckpt_type")]
    public void A_value_that_cannot_be_read_says_what_it_should_be(string json, string expected) =>
        Failures(json).ShouldHaveSingleItem().ShouldContain(expected);

    [Fact]
    public void Registered_options_are_read_and_checked()
    {
        using ServiceProvider good = new ServiceCollection().AddCairn(Section("""{ "folder": "runs/a", "keep_last": 3 }""")).BuildServiceProvider();
        good.GetRequiredService<IOptions<CheckpointOptions>>().Value.KeepLast.ShouldBe(3);
        good.GetRequiredService<TimeProvider>().ShouldBeSameAs(TimeProvider.System);
        good.GetRequiredService<IStartupValidator>().Validate();

        using ServiceProvider bad = new ServiceCollection().AddCairn(options => options.KeepLast = 1).BuildServiceProvider();
        OptionsValidationException problem = Should.Throw<OptionsValidationException>(() => bad.GetRequiredService<IStartupValidator>().Validate());
        problem.Failures.Count().ShouldBe(2);
    }

    [Fact]
    public void A_key_that_is_not_known_stops_the_host_at_its_start()
    {
        using ServiceProvider bad = new ServiceCollection().AddCairn(Section("""{ "Folder": "a", "Foldr": "b" }""")).BuildServiceProvider();
        Should.Throw<OptionsValidationException>(() => bad.GetRequiredService<IStartupValidator>().Validate()).Message.ShouldContain("'Folder'");
    }

    private static CheckpointOptions Bind(string json, out IReadOnlyList<string> notes)
    {
        CheckpointOptions options = new();
        notes = CheckpointConfiguration.Bind(Section(json), options);
        return options;
    }

    private static string[] Failures(string json) =>
        [.. Should.Throw<OptionsValidationException>(() => CheckpointConfiguration.Bind(Section(json), new CheckpointOptions())).Failures];

    private static IConfigurationSection Section(string json) => new ConfigurationBuilder()
        .AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "ckpt": {{json}} }"""))).Build().GetSection("ckpt");
}
