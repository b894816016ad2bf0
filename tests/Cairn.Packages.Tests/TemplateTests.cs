namespace Cairn.Packages.Tests;

/// <summary>A project that dotnet new makes.</summary>
[Collection(nameof(StrangersFolder))]
public sealed class TemplateTests(Feed feed, Stranger stranger)
{
    [Fact]
    public void A_project_of_the_template_builds_trains_is_killed_and_resumes()
    {
        // A hive of its own: the templates of whoever runs the test stay as they are.
        string hive = $"--debug:custom-hive {stranger.Folder}/hive";
        stranger.Run($"dotnet new install Cairn.Templates@{feed.Version} {hive}\ndotnet new cairn-training --output my-training {hive}");
        string project = Path.Combine(stranger.Folder, "my-training"), run = Path.Combine(project, "runs", "first");
        File.ReadAllText(Path.Combine(project, "train.sbatch")).ShouldContain("published/my-training.dll");
        File.Exists(Path.Combine(project, ".gitignore")).ShouldBeTrue();

        stranger.RunIn("my-training", "dotnet build -c Release -warnaserror\nbash -n train.sbatch");
        using (Shell training = stranger.StartIn("my-training", "dotnet run -c Release --no-build -- --Checkpoints:TotalSteps 100000000"))
        {
            training.AwaitFile(Path.Combine(run, "500", "500.step"));
            training.Kill();
        }
        long steps = TrainedRun.Checkpoints(run).Max() + 1000;
        stranger.RunIn("my-training", $"dotnet run -c Release --no-build -- --Checkpoints:TotalSteps {steps}").ShouldContain($"{steps} steps of {steps}");
        TrainedRun.Starts(run).ShouldBe(["started", "resumed"]);
        TrainedRun.Checkpoints(run).Max().ShouldBe(steps);
    }
}
