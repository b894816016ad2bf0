using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Cairn.S3;

namespace Cairn.Bench;

/// <summary>What AWS's client does with a service by itself: parts and ranges of one size, so many at once, no checksum but what the service asks for.</summary>
internal sealed class PlainS3 : IDisposable
{
    private const int Part = 8 << 20, AtOnce = 8;

    private static readonly ParallelOptions Parallelism = new() { MaxDegreeOfParallelism = AtOnce };

    private readonly AmazonS3Client _client;
    private readonly S3Address _address;

    public PlainS3(S3Address address)
    {
        _address = address;
        _client = new AmazonS3Client(new AmazonS3Config
        {
            ServiceURL = Environment.GetEnvironmentVariable("AWS_ENDPOINT_URL"),
            ForcePathStyle = true,
            MaxConnectionsPerServer = AtOnce,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        });
    }

    /// <summary>Puts an object.</summary>
    public async Task PutAsync(string name, RawMemory source)
    {
        string key = KeyOf(name);
        string upload = (await _client.InitiateMultipartUploadAsync(new InitiateMultipartUploadRequest { BucketName = _address.Bucket, Key = key })).UploadId;
        var parts = new PartETag[(source.Bytes + Part - 1) / Part];
        await Parallel.ForAsync(0, parts.Length, Parallelism, async (number, token) =>
        {
            using Stream stream = source.Open((long)number * Part, Part);
            UploadPartResponse part = await _client.UploadPartAsync(
                new UploadPartRequest { BucketName = _address.Bucket, Key = key, UploadId = upload, PartNumber = number + 1, PartSize = stream.Length, InputStream = stream, UseChunkEncoding = false }, token);
            parts[number] = new PartETag(number + 1, part.ETag);
        });
        await _client.CompleteMultipartUploadAsync(new CompleteMultipartUploadRequest { BucketName = _address.Bucket, Key = key, UploadId = upload, PartETags = [.. parts] });
    }

    /// <summary>Gets an object.</summary>
    public Task GetAsync(string name, RawMemory destination) =>
        Parallel.ForAsync(0, (destination.Bytes + Part - 1) / Part, Parallelism, async (number, token) =>
        {
            Memory<byte> left = destination.Slice(number * Part, Part);
            var range = new ByteRange(number * Part, number * Part + left.Length - 1);
            using GetObjectResponse part = await _client.GetObjectAsync(new GetObjectRequest { BucketName = _address.Bucket, Key = KeyOf(name), ByteRange = range }, token);
            await part.ResponseStream.ReadExactlyAsync(left, token);
        });

    /// <summary>Removes an object.</summary>
    public Task DeleteAsync(string name) => _client.DeleteObjectAsync(_address.Bucket, KeyOf(name));

    public void Dispose() => _client.Dispose();

    private string KeyOf(string name) => $"{_address.Prefix}/{name}".TrimStart('/');
}
