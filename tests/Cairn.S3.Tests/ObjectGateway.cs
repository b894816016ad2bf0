using System.Diagnostics;
using System.Globalization;
using Amazon.Runtime;
using Amazon.S3;

namespace Cairn.S3.Tests;

/// <summary>Ceph's object gateway, which <c>eng/object-gateway.sh</c> starts once for all tests, and a bucket in it.</summary>
public sealed class ObjectGateway : IAsyncLifetime
{
    public const string Bucket = "cairn-tests";
    private const int NotInstalled = 3;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-gateway-");
    private readonly Dictionary<string, string> _keys = new(StringComparer.Ordinal);
    private string? _missing;

    // No test reaches what this machine is set up for.
    public ObjectGateway()
    {
        foreach (string name in (string[])["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
            Environment.SetEnvironmentVariable(name, null);
    }

    public string AccessKey => Key("AWS_ACCESS_KEY_ID");
    public string SecretKey => Key("AWS_SECRET_ACCESS_KEY");
    public Uri Endpoint => new(Key("AWS_ENDPOINT_URL"));

    /// <summary>How to reach it.</summary>
    public S3StoreOptions Options => new() { Endpoint = Endpoint, AccessKeyId = AccessKey, SecretAccessKey = SecretKey };

    /// <summary>A place that nobody else uses.</summary>
    public static S3Address NewAddress() => S3Address.Parse($"s3://{Bucket}/{Guid.NewGuid():N}/run");

    /// <summary>A store in a place of its own.</summary>
    public S3RunStore NewStore() => new(NewAddress(), Options);

    /// <summary>The SDK's own client, to look at things from outside.</summary>
    public AmazonS3Client NewClient(string? accessKey = null, string? secretKey = null) => new(
        new BasicAWSCredentials(accessKey ?? AccessKey, secretKey ?? SecretKey),
        new AmazonS3Config
        {
            ServiceURL = Endpoint.ToString(), ForcePathStyle = true, AuthenticationRegion = "us-east-1",
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED, ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        });

    public async ValueTask InitializeAsync()
    {
        (int code, string output) = Run("bash", Script, "start", _folder.FullName);
        if (code == NotInstalled)
        {
            _missing = $"{output.Trim()} (eng/install-test-needs.sh does that.)";
            return;
        }
        code.ShouldBe(0, output);
        ReadKeys();
        using AmazonS3Client client = NewClient();
        await client.PutBucketAsync(Bucket);
    }

    /// <summary>Ends the gateway as a crash does, and leaves what holds the objects.</summary>
    public void Kill() => Do("kill");

    /// <summary>Starts what does not run.</summary>
    public void Start() => Do("start");

    /// <summary>Ends the gateway in order and starts it anew.</summary>
    public void Restart() => Do("restart");

    /// <summary>Makes the tests' bucket full, whatever is in it, or gives it room again.</summary>
    public void Fill(bool isFull)
    {
        string[] quota = ["--quota-scope", "bucket", "--bucket", Bucket];
        if (isFull)
            Admin(["quota", "set", .. quota, "--max-size", "1"]);
        Admin(["quota", isFull ? "enable" : "disable", .. quota]);
    }

    /// <summary>Makes a user with a key of its own and, where given, a quota.</summary>
    public (string AccessKey, string SecretKey) NewUser(long? mostBytes = null)
    {
        string name = $"user{Guid.NewGuid():N}"[..12], secret = Guid.NewGuid().ToString("N");
        Admin("user", "create", "--uid", name, "--display-name", name, "--access-key", name, "--secret-key", secret);
        if (mostBytes is { } most)
        {
            Admin("quota", "set", "--quota-scope", "user", "--uid", name, "--max-size", most.ToString(CultureInfo.InvariantCulture));
            Admin("quota", "enable", "--quota-scope", "user", "--uid", name);
        }
        return (name, secret);
    }

    public ValueTask DisposeAsync()
    {
        if (_missing is null)
            Run("bash", Script, "stop", _folder.FullName);
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    private static string Script => Path.Combine(AppContext.BaseDirectory, "object-gateway.sh");

    // A test is skipped on a machine without Ceph; a CI machine must have it.
    private string Key(string name)
    {
        if (_missing is not null && Environment.GetEnvironmentVariable("CI") is null)
            Assert.Skip(_missing);
        _missing.ShouldBeNull();
        return _keys[name];
    }

    private void ReadKeys()
    {
        foreach (string line in File.ReadAllLines(Path.Combine(_folder.FullName, "keys")))
            _keys[line[..line.IndexOf('=', StringComparison.Ordinal)]] = line[(line.IndexOf('=', StringComparison.Ordinal) + 1)..];
    }

    private void Do(string action)
    {
        (int code, string output) = Run("bash", Script, action, _folder.FullName);
        code.ShouldBe(0, output);
    }

    private void Admin(params string[] arguments)
    {
        (int code, string output) = Run(["radosgw-admin", "-c", Path.Combine(_folder.FullName, "ceph.conf"), "-n", "client.admin", .. arguments]);
        code.ShouldBe(0, output);
    }

    private static (int Code, string Output) Run(params string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.GetAwaiter().GetResult());
    }
}
