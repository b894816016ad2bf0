using Cairn.S3.Tests;

namespace TinyLm.Tests;

/// <summary>The sample with its run in an object store.</summary>
public class ObjectStoreTests(ObjectGateway gateway) : IClassFixture<ObjectGateway>
{
    const int MostLines = 12;

    static readonly int Kills = RandomFaults.Count(some: 3, all: 20);

    [Fact]
    public async Task Killed_again_and_again_and_restarted_by_the_same_command_it_ends_as_an_uninterrupted_run_on_a_disk()
    {
        using var folder = new TemporaryFolder();
        string[] command = ["--total-steps", $"{15 * Kills}", "--checkpoint-every", "10", "--snapshot-every", "1", "--overflow-at", "20,21,40", "--log-every", "1", "--final-digest"];
        string expected = SampleProcess.LastLine(SampleProcess.Run(folder.Run("whole"), command));
        string address = ObjectGateway.NewAddress().ToString();
        int seed = Environment.TickCount;
        var random = new Random(seed);
        using Variables place = Place();
        for (int kill = 0; kill < Kills; kill++)
        {
            using SampleProcess sample = SampleProcess.Start(address, command);
            // Each life saves once, and ends anywhere after that.
            await sample.WaitForAsync("\nSaved ");
            await sample.WaitForAsync("\n", sample.Output.Count(letter => letter == '\n') + random.Next(MostLines));
            sample.Kill();
            sample.Output.ShouldNotContain("Passed over", Case.Sensitive, $"seed {seed}, kill {kill}");
            sample.Output.Contains("resumes at step", StringComparison.Ordinal).ShouldBe(kill > 0, sample.Output);
        }
        string output = SampleProcess.Run(address, command);
        output.ShouldContain("resumes at step");
        SampleProcess.LastLine(output).ShouldBe(expected, $"seed {seed}:\n{output}");
    }

    [Fact]
    public async Task With_a_fast_folder_no_kill_costs_what_was_said_to_be_recoverable()
    {
        using var folder = new TemporaryFolder();
        string expected = SampleProcess.LastLine(SampleProcess.Run(folder.Run("whole"), FastFolderTests.Command));
        using Variables place = Place();
        await FastFolderTests.KillAsync(ObjectGateway.NewAddress().ToString(), folder.Run("fast"), expected);
    }

    Variables Place() => new(("AWS_ENDPOINT_URL", gateway.Endpoint.ToString()), ("AWS_ACCESS_KEY_ID", gateway.AccessKey), ("AWS_SECRET_ACCESS_KEY", gateway.SecretKey));

    // Of this process, whose children have them too.
    sealed class Variables : IDisposable
    {
        readonly string[] _names;

        public Variables(params (string Name, string Value)[] values)
        {
            _names = [.. values.Select(variable => variable.Name)];
            foreach ((string name, string value) in values)
                Environment.SetEnvironmentVariable(name, value);
        }

        public void Dispose()
        {
            foreach (string name in _names)
                Environment.SetEnvironmentVariable(name, null);
        }
    }
}
