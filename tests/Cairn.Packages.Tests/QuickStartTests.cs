namespace Cairn.Packages.Tests;

/// <summary>The README's quick start in the hands of a stranger.</summary>
[Collection(nameof(StrangersFolder))]
public sealed class QuickStartTests(Stranger stranger)
{
    private const string Library = "libLibTorchSharp.so";

    [Fact]
    public void It_trains_is_killed_resumes_and_ends_and_the_installed_command_finds_all_good()
    {
        string run = Path.Combine(stranger.Project, "runs", "first");
        stranger.RunIn("first-run", "dotnet build -c Release");
        Readme.Train.ShouldEndWith(" runs/first 500");
        using (Shell training = stranger.StartIn("first-run", Readme.Train.Replace(" 500", " 100000000", StringComparison.Ordinal)))
        {
            training.AwaitFile(Path.Combine(run, "100", "100.step"));
            training.Kill();
            training.Output.ShouldNotContain(" steps of ");
        }

        long steps = TrainedRun.Checkpoints(run).Max() + 1000;
        string end = stranger.RunIn("first-run", Readme.Train.Replace(" 500", $" {steps}", StringComparison.Ordinal));
        end.ShouldContain($"{steps} steps of {steps}");
        TrainedRun.Checkpoints(run).Max().ShouldBe(steps);
        // The first start found nothing to go on from, the second did.
        TrainedRun.Starts(run).ShouldBe(["started", "resumed"]);

        stranger.Run(Readme.InstallTool.Replace("--global", "--tool-path tools", StringComparison.Ordinal));
        string look = stranger.RunIn("first-run", $"PATH=\"{stranger.Folder}/tools:$PATH\"\n{Readme.Look}");
        look.ShouldContain($"A restart takes {steps}/.");
        stranger.RunIn("first-run", "../tools/cairn completion bash").ShouldContain("complete -o bashdefault -o default -F _cairn cairn");
    }

    [Fact]
    public void On_NET_8_published_with_its_runtime_it_saves_and_resumes()
    {
        string project = Directory.CreateDirectory(Path.Combine(stranger.Folder, "on-net8")).FullName, run = Path.Combine(project, "runs", "first");
        foreach (string file in new[] { "first-run.csproj", "Program.cs" })
            File.Copy(Path.Combine(stranger.Project, file), Path.Combine(project, file));
        string definition = Path.Combine(project, "first-run.csproj");
        File.WriteAllText(definition, File.ReadAllText(definition).Replace("<TargetFramework>net10.0<", "<TargetFramework>net8.0<", StringComparison.Ordinal));
        stranger.RunIn("on-net8", "dotnet publish -c Release --use-current-runtime --self-contained -o published");
        File.ReadAllText(Path.Combine(project, "published", "first-run.runtimeconfig.json")).ShouldContain("\"tfm\": \"net8.0\"");

        stranger.RunIn("on-net8", "published/first-run runs/first 150").ShouldContain("150 steps of 150");
        stranger.RunIn("on-net8", "published/first-run runs/first 170").ShouldContain("170 steps of 170");
        TrainedRun.Starts(run).ShouldBe(["started", "resumed"]);
        TrainedRun.Checkpoints(run).Order().ShouldBe([100, 150, 170]);
    }

    [Fact]
    public void Torch_sharps_library_is_relaxed_by_one_bit_once_and_only_when_asked()
    {
        string built = Path.Combine("bin", "Release", "net10.0", "runtimes", "linux-x64", "native", Library), made = Path.Combine("obj", "Release", "net10.0", "torchsharp", Library);
        if (!OperatingSystem.IsLinux())
            Assert.Skip("The library is Linux's.");
        string Build(string when) => stranger.RunIn("first-run", $"dotnet build -c Release -p:CairnWeakenTorchSharp={when}");
        string Identity() => stranger.RunIn("first-run", $"stat -c %i {made}");
        byte[] Bytes(string file) => File.ReadAllBytes(Path.Combine(stranger.Project, file));

        Build("never");
        byte[] original = Bytes(built);
        Build("always");
        byte[] relaxed = Bytes(built);
        string first = Identity();
        Build("always");
        Identity().ShouldBe(first);
        Build("never");
        Bytes(built).ShouldBe(original);

        relaxed.Length.ShouldBe(original.Length);
        int[] places = [.. Enumerable.Range(0, original.Length).Where(i => original[i] != relaxed[i])];
        places.Length.ShouldBe(1);
        (original[places[0]] ^ relaxed[places[0]]).ShouldBe(2);
        stranger.RunIn("first-run", "dotnet build -c Release -p:CairnWeakenTorchSharp=perhaps || true").ShouldContain("it must be auto, always or never");
    }
}
