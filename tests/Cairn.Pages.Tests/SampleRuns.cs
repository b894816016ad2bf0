using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;

namespace Cairn.Pages.Tests;

/// <summary>Runs that were really trained, killed, resumed and branched, and their pages; made once for all tests.</summary>
public sealed class SampleRuns : IDisposable
{
    /// <summary>A name that would break a page that did not escape it.</summary>
    public const string Hostile = "<img src=x onerror=alert(1)> \"'`&amp; 实验";

    private readonly TemporaryFolder _folder = new();
    private readonly Lazy<string> _one, _several, _fresh;

    public SampleRuns()
    {
        Lazy<string> main = new(Baseline), hostile = new(() => Trained(Hostile, 400, "every=100", "snapshots=30", "second=2")), fresh = new(() => Trained("just started", 4000, "crash=1"));
        _one = new Lazy<string>(() => Page("one.html", main.Value));
        _several = new Lazy<string>(() => Page("several.html", main.Value, hostile.Value, fresh.Value));
        _fresh = new Lazy<string>(() => Page("fresh.html", fresh.Value));
    }

    /// <summary>The page of a run that was killed, resumed and branched.</summary>
    public string One => _one.Value;

    /// <summary>The page of three runs; one has a hostile name, and one made a single step.</summary>
    public string Several => _several.Value;

    /// <summary>The page of a run that was killed after its first step.</summary>
    public string Fresh => _fresh.Value;

    public void Dispose() => _folder.Dispose();

    private string Baseline()
    {
        string run = _folder["baseline"];
        Trainer.Run(run, 6000, "second=1.4", "start=2026-11-20T08:00Z", "skip=300", "spike=2711", "crash=2760");
        Trainer.Run(run, 6000, "second=1.4", "start=2026-11-20T10:00Z", "skip=300", "spike=4100", "crash=4333", "seed=9");
        Trainer.Run(run, 6000, "second=1.2", "start=2026-11-20T14:00Z", "skip=300", "spike=3555", "from=3000", "branch=lower-rate", "offset=-20", "seed=5");
        return run;
    }

    private string Trained(string name, long steps, params string[] given)
    {
        Trainer.Run(_folder[name], steps, given);
        return _folder[name];
    }

    private string Page(string name, params string[] runs)
    {
        string page = ReportPage.Write([.. runs.Select(run => new RunSource(run, TimeProvider.System).Look())]);
        File.WriteAllText(_folder[name], page);
        return _folder[name];
    }
}
