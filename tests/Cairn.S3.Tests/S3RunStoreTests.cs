using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.S3.Tests;

public sealed class S3RunStoreTests(ObjectGateway gateway) : RunStoreConformance, IAsyncDisposable
{
    protected override IRunStore Store => field ??= gateway.NewStore();

    public ValueTask DisposeAsync() => ((S3RunStore)Store).DisposeAsync();
}

/// <summary>As above, in a bucket without a prefix.</summary>
public sealed class WholeBucketTests(ObjectGateway gateway) : RunStoreConformance, IAsyncDisposable
{
    private readonly string _bucket = $"whole-{Guid.NewGuid():N}";

    protected override IRunStore Store => field ??= Open();

    public ValueTask DisposeAsync() => ((S3RunStore)Store).DisposeAsync();

    private S3RunStore Open()
    {
        using var client = gateway.NewClient();
        client.PutBucketAsync(_bucket).GetAwaiter().GetResult();
        return new S3RunStore(S3Address.Parse($"s3://{_bucket}"), gateway.Options);
    }
}
