using Cairn.Cli.Listing;
using Cairn.Cli.Tests.Samples;
using Cairn.Cli.Verification;

namespace Cairn.Cli.Tests.Live;

public class VerifyLiveRunTests
{
    [Fact]
    public void A_healthy_run_is_good_however_often_it_replaces_its_snapshots_meanwhile()
    {
        using var folder = new TemporaryFolder();
        SampleRun run = SampleRun.Usual(folder.Path);
        long step = 320;
        CopyListing listing = CopyListing.Read(folder.Path);
        int reads = 0;
        (CopyListing verified, CopyCheck[] checks) = listing.Verify(
            _ =>
            {
                if (Interlocked.Increment(ref reads) % 5 == 1)
                {
                    lock (run)
                    {
                        run.Snapshot(++step, TimeSpan.Zero);
                        run.Snapshot(++step, TimeSpan.Zero);
                    }
                }
            }, CancellationToken.None);
        reads.ShouldBeGreaterThan(5);
        checks.SelectMany(check => check.Faults).ShouldBeEmpty();
        verified.Copies.Count.ShouldBe(5);
        verified.Copies.ShouldContain(copy => copy.Step > 320, "the snapshots that stand there now were verified");
    }
}
