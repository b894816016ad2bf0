using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Cairn.Configuration;
using Microsoft.Extensions.Options;

namespace Cairn.Tests.Configuration;

public class CheckpointOptionsValidatorTests
{
    [Fact]
    public void A_folder_is_all_that_must_be_said() => Failures(_ => { }).ShouldBeEmpty();

    [Fact]
    public void Each_value_out_of_range_is_named_with_what_it_must_be()
    {
        Failures(options => options.Folder = " ").ShouldHaveSingleItem().ShouldContain("Folder must be set");
        Failures(options => options.CheckpointEvery = 0).ShouldHaveSingleItem().ShouldContain("CheckpointEvery must be at least 1");
        Failures(options => options.SnapshotEvery = -1).ShouldHaveSingleItem().ShouldContain("SnapshotEvery must be");
        Failures(options => options.TotalSteps = 0).ShouldHaveSingleItem().ShouldContain("TotalSteps must be");
        Failures(options => options.KeepLast = 1).ShouldHaveSingleItem().ShouldContain("at least 2");
        Failures(options => options.KeepEvery = 0).ShouldHaveSingleItem().ShouldContain("KeepEvery");
        Failures(options => options.KeepWithinBytes = 0).ShouldHaveSingleItem().ShouldContain("KeepWithinBytes");
        Failures(options => options.CheckpointInterval = TimeSpan.Zero).ShouldHaveSingleItem().ShouldContain("CheckpointInterval");
        Failures(options => options.TensorBoardFolder = " ").ShouldHaveSingleItem().ShouldContain("TensorBoardFolder must be a folder");
        Failures(options => options.TensorBoardFolder = "s3://bucket/board").ShouldHaveSingleItem().ShouldContain("'s3://bucket/board'");
        Failures(options => options.SnapshotInterval = TimeSpan.FromSeconds(-1)).ShouldHaveSingleItem().ShouldContain("SnapshotInterval");
        Failures(options => options.SnapshotEvery = CheckpointOptions.Auto).ShouldBeEmpty();
        Failures(options => options.SnapshotEvery = -1).ShouldHaveSingleItem().ShouldBe("SnapshotEvery must be at least 1 step, 0 for no snapshots by steps, or auto, not -1.");
        foreach (double share in (double[])[0, 1, -0.01, double.NaN])
            Failures(options => options.SnapshotStallBudget = share).ShouldHaveSingleItem().ShouldContain("SnapshotStallBudget must be a share");
    }

    [Fact]
    public void What_is_wrong_with_alerts_is_said_and_no_address_is_shown()
    {
        string failure = Failures(options => options.Alerts = ["https://good.local/secret", "hooks.slack.com/secret"]).ShouldHaveSingleItem();
        failure.ShouldContain("Alerts: address 2");
        failure.ShouldNotContain("secret/");
        failure.ShouldNotContain("hooks.slack.com");
        Failures(options => options.AlertCopyAge = TimeSpan.Zero).ShouldHaveSingleItem().ShouldContain("AlertCopyAge must");
        Failures(options => options.AlertSilence = TimeSpan.Zero).ShouldHaveSingleItem().ShouldContain("AlertSilence must");
        Failures(options => options.AlertInterval = TimeSpan.FromSeconds(-1)).ShouldHaveSingleItem().ShouldContain("AlertInterval must");
        Failures(options => options.AlertSilence = null).ShouldBeEmpty();
    }

    [Fact]
    public void The_validator_holds_to_the_ranges_that_the_attributes_state()
    {
        foreach (PropertyInfo property in typeof(CheckpointOptions).GetProperties())
        {
            if (property.GetCustomAttribute<RangeAttribute>() is not { } range)
                continue;
            long lowest = Convert.ToInt64(range.Minimum);
            Failures(options => Set(options, lowest)).ShouldNotContain(failure => failure.StartsWith(property.Name + " must"));
            Failures(options => Set(options, lowest - 1)).ShouldContain(failure => failure.StartsWith(property.Name + " must"));

            void Set(CheckpointOptions options, long value) =>
                property.SetValue(options, Convert.ChangeType(value, Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType));
        }
    }

    [Fact]
    public void The_largest_values_are_good() =>
        Failures(options => (options.TotalSteps, options.KeepWithinBytes) = (long.MaxValue, long.MaxValue)).ShouldBeEmpty();

    [Fact]
    public void Values_that_need_each_other_must_come_together()
    {
        Failures(options => options.KeepBest = 2).ShouldHaveSingleItem().ShouldContain("KeepBestMetric");
        Failures(options => options.KeepBestMetric = "loss").ShouldHaveSingleItem().ShouldContain("KeepBest");
        Failures(options => options.ResumeParts = ["model"]).ShouldHaveSingleItem().ShouldContain("ResumeFrom");
        Failures(options => options.ResumeAllowMissing = ["head.*"]).ShouldHaveSingleItem().ShouldContain("ResumeFrom");
        Failures(options => options.ResumeAllowUnexpected = [""]).ShouldHaveSingleItem().ShouldContain("patterns");
    }

    [Fact]
    public void One_metric_says_what_is_the_best()
    {
        Failures(options => options.LoadBestModelAtEnd = true).ShouldHaveSingleItem().ShouldContain("SaveBestMetric");
        Failures(options => options.SaveBestHigher = true).ShouldHaveSingleItem().ShouldContain("SaveBestMetric");
        Failures(options => (options.SaveBestMetric, options.SaveBestMinDelta) = ("m", double.NaN)).ShouldHaveSingleItem().ShouldContain("SaveBestMinDelta");
        Failures(options => (options.SaveBestMetric, options.KeepBest) = ("m", 3)).ShouldBeEmpty();
        Failures(options => (options.SaveBestMetric, options.KeepBest, options.KeepBestMetric) = ("m", 3, "m")).ShouldBeEmpty();
        Failures(options => (options.SaveBestMetric, options.KeepBest, options.KeepBestMetric) = ("m", 3, "n")).ShouldHaveSingleItem().ShouldContain("different checkpoints");
        Failures(options => (options.SaveBestMetric, options.KeepBest, options.KeepBestMetric, options.KeepBestHigher) = ("m", 3, "m", true)).ShouldHaveSingleItem().ShouldContain("different checkpoints");
        Failures(options => (options.SaveBestMetric, options.KeepBest, options.KeepBestHigher) = ("m", 3, true)).ShouldHaveSingleItem().ShouldContain("SaveBestHigher");
        // Kept by the same metric, with its direction.
        new CheckpointOptions { SaveBestMetric = "m", SaveBestHigher = true, KeepBest = 2 }.CreateRetention().Describe.ShouldBe("the best 2 by highest m");
    }

    [Fact]
    public void All_failures_are_given_at_once() =>
        Failures(options => (options.CheckpointEvery, options.KeepLast, options.KeepBest) = (0, 0, 1)).Count.ShouldBe(3);

    private static List<string> Failures(Action<CheckpointOptions> change)
    {
        CheckpointOptions options = new() { Folder = "runs/a" };
        change(options);
        ValidateOptionsResult result = new CheckpointOptionsValidator().Validate(null, options);
        return [.. result.Failures ?? []];
    }
}
