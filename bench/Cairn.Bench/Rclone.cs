using System.ComponentModel;
using System.Diagnostics;
using Cairn.S3;

namespace Cairn.Bench;

/// <summary>The program <c>rclone</c>, with the same parts, from and to a file in memory. Its start counts.</summary>
internal sealed class Rclone(S3Address address, string file)
{
    private static readonly string[] Options =
    [
        "--config", "/dev/null", "--s3-provider", "Ceph", "--s3-env-auth", "--s3-endpoint", Environment.GetEnvironmentVariable("AWS_ENDPOINT_URL") ?? "", "--s3-chunk-size", "8M",
        "--s3-upload-cutoff", "8M", "--s3-upload-concurrency", "8", "--s3-disable-checksum", "--s3-no-check-bucket", "--ignore-times", "--ignore-checksum", "--multi-thread-streams", "8",
        "--multi-thread-cutoff", "8M",
    ];

    /// <summary>Whether it is installed.</summary>
    public static bool IsThere
    {
        get
        {
            try
            {
                Run("version");
                return true;
            }
            catch (Win32Exception)
            {
                return false;
            }
        }
    }

    public void Put(string name) => Run(["copyto", file, Remote(name), .. Options]);

    public void Get(string name) => Run(["copyto", Remote(name), file, .. Options]);

    public void Delete(string name) => Run(["deletefile", Remote(name), .. Options]);

    private string Remote(string name) => $":s3:{address.Bucket}/{address.Prefix}/{name}";

    private static void Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("rclone", arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        // It refuses to run with it.
        start.Environment.Remove("AWS_CA_BUNDLE");
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = process.StandardError.ReadToEnd();
        output.Wait();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"rclone {arguments[0]}: {errors}");
    }
}
