using System.Globalization;
using System.Text.RegularExpressions;
using Cairn.Mpi;
using Cairn.Mpi.Tests;

namespace TinyLm.Tests;

/// <summary>Several ranks, under the real launchers of both MPIs.</summary>
public partial class RankTests
{
    const string Program = "TinyLm";

    static readonly string[] Short = ["--total-steps", "24", "--batch-size", "32", "--width", "64", "--overflow-at", "7", "--log-every", "1"];

    [Fact]
    public void One_two_and_four_ranks_train_to_the_same_losses()
    {
        MpiRun.Require(MpiImplementation.OpenMpi);
        using var folder = new TemporaryFolder();
        double[] one = Losses(SampleProcess.Run(folder.Run("one"), Short));
        one.Length.ShouldBe(24);
        one[^1].ShouldBeLessThan(one[0] - 0.5);
        foreach ((int ranks, string[] world) in new[] { (2, ["--dp", "2"]), (2, ["--tp", "2"]), (4, new[] { "--tp", "2", "--dp", "2", "--zero" }) })
        {
            double[] several = Losses(Well(Train(MpiImplementation.OpenMpi, ranks, ["--run", folder.Run(string.Concat(world)), .. world, .. Short])));
            several.Length.ShouldBe(one.Length);
            for (int batch = 0; batch < one.Length; batch++)
                several[batch].ShouldBe(one[batch], 0.002, $"{string.Join(' ', world)}, batch {batch + 1}");
        }
    }

    [Fact]
    public void Sharing_the_optimizer_state_changes_no_loss()
    {
        MpiRun.Require(MpiImplementation.Mpich);
        using var folder = new TemporaryFolder();
        double[] whole = Losses(Well(Train(MpiImplementation.Mpich, 2, ["--run", folder.Run("whole"), .. Short])));
        double[] shared = Losses(Well(Train(MpiImplementation.Mpich, 2, ["--run", folder.Run("shared"), "--zero", .. Short])));
        shared.ShouldBe(whole);
    }

    [Fact]
    public void A_world_that_does_not_fit_the_model_or_the_job_is_refused()
    {
        MpiRun.Require(MpiImplementation.Mpich);
        (int code, string output) = MpiRun.Run(MpiImplementation.Mpich, 3, Program, ["--tp", "3"]);
        // The launcher gives the code of the rank that it met first: one that refused, or one that it killed for that.
        code.ShouldNotBe(0, output);
        output.ShouldContain("key heads: 2 cannot be shared evenly by 3 tensor-parallel ranks");
        (code, output) = MpiRun.Alone(Program, ["--tp", "2"]);
        code.ShouldBe(CommandLine.Failed, output);
        output.ShouldContain("1 ranks cannot be a world of tp 2");
    }

    /// <summary>Runs the sample under a launcher to its end, without trying the model out there.</summary>
    internal static (int Code, string Output) Train(MpiImplementation mpi, int ranks, params string[] arguments) => MpiRun.Run(mpi, ranks, Program, [.. arguments, "--evaluate", "0"]);

    internal static string Well((int Code, string Output) job)
    {
        job.Code.ShouldBe(0, job.Output);
        return job.Output;
    }

    internal static double[] Losses(string output) => [.. LossPattern().Matches(output).Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];

    internal static string Digest(string output)
    {
        Match match = DigestPattern().Match(output);
        match.Success.ShouldBeTrue(output);
        return match.Groups[1].Value;
    }

    [GeneratedRegex(@"^batch \d+/\d+ .* loss (?<loss>[0-9.]+) ", RegexOptions.Multiline)]
    private static partial Regex LossPattern();

    [GeneratedRegex("^final digest (?<digest>[0-9a-f]+)", RegexOptions.Multiline)]
    private static partial Regex DigestPattern();
}
