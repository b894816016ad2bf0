using System.Net;
using System.Net.Sockets;
using Cairn.Stores;

namespace Cairn.S3.Tests;

/// <summary>What cannot succeed by waiting ends at once, and says what to do.</summary>
public class FaultTests(ObjectGateway gateway)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_bucket_that_does_not_exist()
    {
        await using var store = new S3RunStore(S3Address.Parse("s3://no-such-bucket/run"), gateway.Options);
        foreach (Func<Task> call in (Func<Task>[])
        [
            async () => await store.ListAsync("", Token),
            async () => await store.PutAsync("a", new byte[1], Token),
            async () => await store.TryPutAsync("a", new byte[1], Token),
            async () => await store.CreateAsync("a", 100 << 20, Token),
            async () => await store.DeleteAsync("a", Token),
        ])
            (await Should.ThrowAsync<IOException>(call)).Message.ShouldSatisfyAllConditions(message => message.ShouldContain("there is no bucket 'no-such-bucket'"), message => message.ShouldContain("Create it"));
    }

    [Fact]
    public async Task Keys_that_are_wrong()
    {
        S3StoreOptions unknown = gateway.Options, other = gateway.Options;
        (unknown.AccessKeyId, other.SecretAccessKey) = ("NOBODY", "another");
        await using S3RunStore first = new(ObjectGateway.NewAddress(), unknown), second = new(ObjectGateway.NewAddress(), other);
        (await Should.ThrowAsync<UnauthorizedAccessException>(async () => await first.PutAsync("a", new byte[1], Token))).Message.ShouldContain("does not know the access key");
        (await Should.ThrowAsync<UnauthorizedAccessException>(async () => await second.PutAsync("a", new byte[1], Token))).Message.ShouldContain("secret key does not belong");
    }

    [Fact]
    public async Task A_bucket_of_somebody_else()
    {
        S3StoreOptions options = gateway.Options;
        (options.AccessKeyId, options.SecretAccessKey) = gateway.NewUser();
        await using var store = new S3RunStore(ObjectGateway.NewAddress(), options);
        (await Should.ThrowAsync<UnauthorizedAccessException>(async () => await store.PutAsync("a", new byte[1], Token))).Message.ShouldContain("access is denied");
    }

    [Theory, InlineData(1 << 20), InlineData(20 << 20)]
    public async Task A_quota_that_is_used_up(int length)
    {
        S3StoreOptions options = gateway.Options;
        (options.AccessKeyId, options.SecretAccessKey) = gateway.NewUser(mostBytes: 64 << 10);
        string bucket = $"small-{Guid.NewGuid():N}";
        using (var client = gateway.NewClient(options.AccessKeyId, options.SecretAccessKey))
            await client.PutBucketAsync(bucket, Token);
        await using var store = new S3RunStore(S3Address.Parse($"s3://{bucket}/run"), options);
        IOException refused = await Should.ThrowAsync<IOException>(async () =>
        {
            await using IStoreWriter writer = await store.CreateAsync("a", length, Token);
            for (int at = 0; at < length; at += S3Parts.BlockBytes)
                await writer.WriteAsync(at, new byte[Math.Min(S3Parts.BlockBytes, length - at)], Token);
            await writer.CompleteAsync(Token);
        });
        refused.Message.ShouldContain("quota");
        (await store.ListAsync("", Token)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_service_that_is_not_there()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        taken.Stop();
        S3StoreOptions options = gateway.Options;
        (options.Endpoint, options.RetryFor) = (new Uri($"http://127.0.0.1:{port}"), TimeSpan.FromMilliseconds(200));
        await using var store = new S3RunStore(ObjectGateway.NewAddress(), options);
        (await Should.ThrowAsync<IOException>(async () => await store.ListAsync("", Token))).Message.ShouldContain("cannot be reached");
    }

    [Fact]
    public async Task A_run_says_so_before_its_first_step()
    {
        await using var store = new S3RunStore(S3Address.Parse("s3://no-such-bucket/run"), gateway.Options);
        StoreException refused = await Should.ThrowAsync<StoreException>(() => CheckpointManager.StartAsync(new CheckpointOptions { Store = store, HandleSignals = false }, new TrainState(), [new Program.Counting(1)], cancellationToken: Token));
        refused.Message.ShouldContain("there is no bucket 'no-such-bucket'");
    }
}
