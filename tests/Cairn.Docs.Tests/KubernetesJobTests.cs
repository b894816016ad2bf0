using System.Diagnostics;
using k8s;
using k8s.Models;

namespace Cairn.Docs.Tests;

/// <summary>
/// The manifest of <c>samples/kubernetes</c>: each field is one that the API of Kubernetes has, what refers to each other fits, and the script of its container does what the
/// rules of the job rely on.
/// </summary>
public sealed class KubernetesJobTests
{
    private static readonly string Text = File.ReadAllText(Path.Combine(Repository.Root, "samples", "kubernetes", "train.yaml"));

    private static V1Job Job => Load(Text).OfType<V1Job>().Single();

    private static V1Container Container => Job.Spec.Template.Spec.Containers.Single();

    [Fact]
    public void Its_fields_are_those_of_the_API()
    {
        Load(Text).Select(item => item.GetType()).ShouldBe([typeof(V1PersistentVolumeClaim), typeof(V1Job)]);
        Should.Throw<Exception>(() => Load(Text.Replace("backoffLimit", "backofLimit", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_it_refers_to_is_there()
    {
        V1PodSpec pod = Job.Spec.Template.Spec;
        V1Volume volume = pod.Volumes.Single();
        Container.VolumeMounts.Single().Name.ShouldBe(volume.Name);
        volume.PersistentVolumeClaim.ClaimName.ShouldBe(Load(Text).OfType<V1PersistentVolumeClaim>().Single().Metadata.Name);
        // The API takes a policy for failed pods only of pods that are not restarted in place, with rules that name one cause each and a container of the pod.
        pod.RestartPolicy.ShouldBe("Never");
        Job.Spec.PodReplacementPolicy.ShouldBe("Failed");
        foreach (V1PodFailurePolicyRule rule in Job.Spec.PodFailurePolicy.Rules)
        {
            rule.Action.ShouldBeOneOf("Ignore", "FailJob", "Count");
            (rule.OnExitCodes is null).ShouldNotBe(rule.OnPodConditions is null or { Count: 0 });
            (rule.OnExitCodes?.ContainerName ?? Container.Name).ShouldBe(Container.Name);
        }
        Container.Args.Single().ShouldContain("--stop-grace 110");
        pod.TerminationGracePeriodSeconds.ShouldBe(120);
    }

    [Theory]
    [InlineData("true", 0)]
    [InlineData("false", 1)]
    [InlineData("bash -c kill$IFS-9$IFS$$", 137)]
    public async Task The_script_ends_as_the_training_does(string training, int code)
    {
        using Process script = Start(training);
        await script.WaitForExitAsync(Limit());
        script.ExitCode.ShouldBe(code);
    }

    [Fact]
    public async Task A_training_that_was_told_to_stop_saves_and_ends_with_the_code_that_the_job_ignores()
    {
        // Says when it listens, and when it was told.
        string folder = Directory.CreateTempSubdirectory("cairn-kubernetes-").FullName;
        try
        {
            string training = Path.Combine(folder, "train.sh");
            await File.WriteAllTextAsync(training, "trap 'echo saved; exit 0' TERM\necho listens\nwhile :; do sleep 0.1; done\n", TestContext.Current.CancellationToken);
            using Process script = Start($"bash {training}");
            (await script.StandardOutput.ReadLineAsync(Limit())).ShouldBe("listens");
            Process.Start("kill", ["-TERM", $"{script.Id}"]).WaitForExit();
            (await script.StandardOutput.ReadLineAsync(Limit())).ShouldBe("saved");
            await script.WaitForExitAsync(Limit());
            Job.Spec.PodFailurePolicy.Rules.Single(rule => rule.OnExitCodes?.Values.Contains(script.ExitCode) == true).Action.ShouldBe("Ignore");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static List<object> Load(string text) => KubernetesYaml.LoadAllFromString(text, strict: true);

    private static CancellationToken Limit()
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(2));
        return limit.Token;
    }

    private static Process Start(string training)
    {
        // As the kubelet starts it.
        var start = new ProcessStartInfo(Container.Command[0], [.. Container.Command.Skip(1), Container.Args.Single()]) { RedirectStandardOutput = true, UseShellExecute = false };
        start.Environment["TRAIN"] = training;
        return Process.Start(start)!;
    }
}
