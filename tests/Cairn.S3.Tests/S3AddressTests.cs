using Amazon.S3;

namespace Cairn.S3.Tests;

public class S3AddressTests
{
    [Theory]
    [InlineData("s3://bucket/a/b", "bucket", "a/b", null, null)]
    [InlineData("s3://bucket", "bucket", "", null, null)]
    [InlineData("S3://bucket/a/", "bucket", "a", null, null)]
    [InlineData("s3://a.bucket.with.dots/x", "a.bucket.with.dots", "x", null, null)]
    // What InternLM guesses to be boto3's.
    [InlineData("s3://bucket.10.1.2.3/a", "bucket", "a", "http://10.1.2.3/", null)]
    [InlineData("boto3:s3://bucket.10.1.2.3/a", "bucket", "a", "http://10.1.2.3/", null)]
    [InlineData("boto3:s3://bucket.10.1.2.3:8000/a", "bucket", "a", "http://10.1.2.3:8000/", null)]
    [InlineData("boto3:s3://bucket.s3.example.com/a/b", "bucket", "a/b", "https://s3.example.com/", null)]
    [InlineData("boto3:s3://bucket.s3.example.com:9000/a", "bucket", "a", "https://s3.example.com:9000/", null)]
    [InlineData("boto3:s3://model_weights/0331/120bi", "model_weights", "0331/120bi", null, null)]
    [InlineData("oss2:ali://bucket.oss-cn-shanghai.aliyuncs.com/a", "bucket", "a", "https://s3.oss-cn-shanghai.aliyuncs.com/", "cn-shanghai")]
    [InlineData("ali://bucket.oss-cn-shanghai-internal.aliyuncs.com/a", "bucket", "a", "https://s3.oss-cn-shanghai-internal.aliyuncs.com/", "cn-shanghai")]
    [InlineData("volc:vc://bucket.tos-cn-beijing.volces.com/a", "bucket", "a", "https://tos-s3-cn-beijing.volces.com/", "cn-beijing")]
    [InlineData("vc://bucket.tos-s3-cn-beijing.ivolces.com/a", "bucket", "a", "https://tos-s3-cn-beijing.ivolces.com/", "cn-beijing")]
    public void An_address_names_bucket_prefix_and_service(string text, string bucket, string prefix, string? endpoint, string? region)
    {
        var address = S3Address.Parse(text);
        (address.Bucket, address.Prefix, address.Endpoint?.ToString(), address.Region).ShouldBe((bucket, prefix, endpoint, region));
        S3Address.Parse(address.ToString()).ShouldBe(address);
    }

    [Theory]
    [InlineData("")]
    [InlineData("bucket/a")]
    [InlineData("/tmp/run")]
    [InlineData("C:\\runs\\a")]
    [InlineData("s3:bucket/a")]
    [InlineData("s3:///a")]
    [InlineData("s3://bucket/a//b")]
    [InlineData("s3://bucket/../b")]
    [InlineData("s3://bu cket/b")]
    [InlineData("gs://bucket/a")]
    [InlineData("oss2:ali://bucket/a")]
    [InlineData("boto3:s3://bucket.user@host/a")]
    public void Anything_else_is_refused(string text)
    {
        S3Address.TryParse(text, out _).ShouldBeFalse();
        Should.Throw<FormatException>(() => S3Address.Parse(text)).Message.ShouldContain("s3://bucket/prefix");
    }

    [Fact]
    public void Without_a_service_and_a_region_the_message_says_what_to_set() =>
        Should.Throw<FormatException>(() => S3Client.Create(S3Address.Parse("s3://bucket/a"), new() { AccessKeyId = "a", SecretAccessKey = "b", Profile = Guid.NewGuid().ToString() }, static _ => null)).Message
            .ShouldSatisfyAllConditions(message => message.ShouldContain("AWS_REGION"), message => message.ShouldContain("AWS_ENDPOINT_URL"));

    [Fact]
    public void Keys_are_those_of_the_kind_of_address_and_a_service_with_an_address_of_its_own_gets_the_bucket_in_the_path()
    {
        var variables = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["S3_ACCESS_KEY_ID"] = "boto", ["S3_SECRET_ACCESS_KEY_ID"] = "1", ["ALI_ACCESS_KEY_ID"] = "ali", ["ALI_SECRET_ACCESS_KEY_ID"] = "2", ["AWS_ENDPOINT_URL"] = "http://from-environment:1",
        };
        (string Key, bool PathStyle, string Service) Of(string address, S3StoreOptions? options = null)
        {
            var place = S3Address.Parse(address);
            using var client = S3Client.Create(place, options ?? new(), variables.GetValueOrDefault);
            var config = (AmazonS3Config)client.Config;
            return (S3Client.KeysOf(place, options ?? new(), variables.GetValueOrDefault)?.GetCredentials().AccessKey ?? "", config.ForcePathStyle, config.ServiceURL);
        }
        Of("boto3:s3://bucket.10.1.2.3/a").ShouldBe(("boto", true, "http://10.1.2.3/"));
        Of("oss2:ali://bucket.oss-cn-shanghai.aliyuncs.com/a").ShouldBe(("ali", false, "https://s3.oss-cn-shanghai.aliyuncs.com/"));
        Of("s3://bucket/a").ShouldBe(("boto", true, "http://from-environment:1/"));
        variables["AWS_ACCESS_KEY_ID"] = "aws";
        Of("s3://bucket/a").Key.ShouldBe("");
        Of("boto3:s3://bucket.10.1.2.3/a").Key.ShouldBe("boto");
        Of("oss2:ali://bucket.oss-cn-shanghai.aliyuncs.com/a").Key.ShouldBe("ali");
        Of("s3://bucket/a", new() { AccessKeyId = "own", SecretAccessKey = "3", Endpoint = new("http://given:2"), PathStyle = false }).ShouldBe(("own", false, "http://given:2/"));
    }
}
