using System.Globalization;
using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Cli.Tests;

public sealed class ManyCheckpointsTests : IDisposable
{
    private const int Count = 10_000;

    // The native program takes less than a second; this one is compiled as it runs.
    private const double Enough = 8;

    private readonly TemporaryFolder _folder = new(inMemory: true);

    [Fact]
    public void Ten_thousand_checkpoints_are_listed_at_once()
    {
        Make(_folder.Path, Count);
        // The processor's time of the best of a few: other programs are at work too.
        double best = double.MaxValue;
        Result result = null!;
        for (int i = 0; i < 3 && best >= Enough; i++)
        {
            result = CairnProcess.RunShell("bash", "-c", "TIMEFORMAT='%U %S'; time cairn ls \"$0\" --json", _folder.Path);
            result.Code.ShouldBe(ExitCode.Good, result.Error);
            best = Math.Min(best, result.Error.Split(' ').Sum(seconds => double.Parse(seconds, CultureInfo.InvariantCulture)));
        }
        JsonDocument.Parse(result.Out).RootElement.GetProperty("copies").GetArrayLength().ShouldBe(Count);
        best.ShouldBeLessThan(Enough);
        TestContext.Current.SendDiagnosticMessage($"{Count} checkpoints listed in {best:0.00} s");
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Checkpoints whose markers are right, written without waiting for the disk.</summary>
    private static void Make(string folder, int count)
    {
        var files = new LocalFileSystem(folder);
        RunRecord record = RunRecord.New(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        record.Save(files);
        byte[] weights = new byte[64];
        MarkedFile[] marked = [new("model_tp0_pp0.safetensors", weights.Length, Marker.HashOf(weights))];
        for (int step = 1; step <= count; step++)
        {
            string name = RunFolder.Checkpoint(step);
            Directory.CreateDirectory(Path.Combine(folder, name));
            File.WriteAllBytes(Path.Combine(folder, name, marked[0].Name), weights);
            var marker = new Marker
            {
                Step = step,
                Kind = SaveKind.Checkpoint,
                Reason = SaveReason.Interval,
                Run = record.Id,
                Lineage = record.Lineage,
                Time = record.Created,
                Train = new TrainState { Step = step, Batch = step }.Capture(),
                Files = marked,
            };
            File.WriteAllBytes(Path.Combine(folder, name, Marker.FileName(step)), marker.ToBytes());
        }
    }
}
