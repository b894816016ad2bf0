namespace Cairn.S3.Tests;

/// <summary>A request was done, and its answer is lost, or it came in altered: it is made again, and finds what the first one did.</summary>
public class LostAnswerTests(ObjectGateway gateway)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory, InlineData(1), InlineData(3)]
    public async Task What_was_put_where_nothing_was_is_not_taken_for_somebody_elses(int answers)
    {
        await using var proxy = new CuttingProxy(gateway.Endpoint, answers, "PUT ", "10.step");
        await using S3RunStore store = Through(proxy);
        (await store.TryPutAsync("10/10.step", "mine"u8.ToArray(), Token)).ShouldBeTrue();
        proxy.Left.ShouldBe(0);
        // Even where it is put once more with the same bytes, only one of two has put it.
        (await store.TryPutAsync("10/10.step", "mine"u8.ToArray(), Token)).ShouldBeFalse();
    }

    [Fact]
    public async Task What_somebody_else_has_put_is_theirs_although_an_answer_was_lost()
    {
        await using var proxy = new CuttingProxy(gateway.Endpoint, 1, "PUT ", "10.step");
        await using S3RunStore store = Through(proxy), other = new(store.Address, gateway.Options);
        await other.PutAsync("10/10.step", "same"u8.ToArray(), Token);
        (await store.TryPutAsync("10/10.step", "same"u8.ToArray(), Token)).ShouldBeFalse();
        proxy.Left.ShouldBe(0);
    }

    [Fact]
    public async Task An_object_in_parts_is_complete_although_the_answer_was_lost()
    {
        await using var proxy = new CuttingProxy(gateway.Endpoint, 1, "POST ", "uploadId=");
        await using S3RunStore store = Through(proxy);
        byte[] bytes = new byte[20 << 20];
        new Random(3).NextBytes(bytes);
        await Objects.WriteAsync(store, "model", bytes, Token);
        proxy.Left.ShouldBe(0);
        (await Objects.ReadAsync(store, "model", Token)).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }

    [Theory, InlineData(1 << 20), InlineData(20 << 20)]
    public async Task Content_that_was_altered_on_the_way_is_refused_by_the_service_and_sent_again(int length)
    {
        await using var proxy = new CuttingProxy(gateway.Endpoint, 0);
        await using S3RunStore store = Through(proxy);
        byte[] bytes = new byte[length];
        new Random(5).NextBytes(bytes);
        proxy.Alter(2);
        await Objects.WriteAsync(store, "model", bytes, Token);
        proxy.LeftToAlter.ShouldBe(0);
        (await Objects.ReadAsync(store, "model", Token)).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }

    [Fact]
    public async Task A_read_goes_on_where_the_connection_broke()
    {
        await using var proxy = new CuttingProxy(gateway.Endpoint, 3, "GET ", "model");
        await using S3RunStore store = Through(proxy);
        await store.PutAsync("model", "content"u8.ToArray(), Token);
        (await Objects.ReadAsync(store, "model", Token)).ShouldBe("content"u8.ToArray());
        proxy.Left.ShouldBe(0);
    }

    private S3RunStore Through(CuttingProxy proxy)
    {
        S3StoreOptions options = gateway.Options;
        options.Endpoint = proxy.Address;
        return new S3RunStore(ObjectGateway.NewAddress(), options);
    }
}
