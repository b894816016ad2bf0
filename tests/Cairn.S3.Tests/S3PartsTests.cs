using Microsoft.Extensions.Time.Testing;

namespace Cairn.S3.Tests;

public class S3PartsTests
{
    private const int Block = S3Parts.BlockBytes;
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, Block, 1)]
    [InlineData(10_000L * Block, Block, 1)]
    [InlineData(10_000L * Block + 1, Block, 2)]
    [InlineData(1L << 40, Block, 14)]
    [InlineData(1, 4 * Block, 4)]
    public void Parts_are_whole_blocks_and_no_more_than_are_allowed(long length, int least, int blocks)
    {
        int bytes = S3Parts.BytesOfPart(length, least);
        bytes.ShouldBe(blocks * Block);
        ((length + bytes - 1) / bytes).ShouldBeLessThanOrEqualTo(S3Parts.MostParts);
    }

    [Fact]
    public void An_object_that_no_parts_can_hold_is_refused() => Should.Throw<IOException>(() => S3Parts.BytesOfPart(20L << 40, Block)).Message.ShouldContain("too large");

    [Fact]
    public async Task Uploads_are_spread_over_time()
    {
        var time = new FakeTimeProvider();
        var pace = new UploadPace(10, time);
        pace.WaitAsync(20, Token).IsCompleted.ShouldBeTrue();
        Task second = pace.WaitAsync(10, Token), third = pace.WaitAsync(1, Token);
        time.Advance(TimeSpan.FromSeconds(1.9));
        second.IsCompleted.ShouldBeFalse();
        time.Advance(TimeSpan.FromSeconds(0.1));
        await second;
        third.IsCompleted.ShouldBeFalse();
        time.Advance(TimeSpan.FromSeconds(1));
        await third;
        // What was not used is not saved up.
        time.Advance(TimeSpan.FromHours(1));
        pace.WaitAsync(10, Token).IsCompleted.ShouldBeTrue();
        pace.WaitAsync(10, Token).IsCompleted.ShouldBeFalse();
    }
}
