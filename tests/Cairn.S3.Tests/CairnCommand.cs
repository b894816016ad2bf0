using System.Diagnostics;

namespace Cairn.S3.Tests;

/// <summary>The command <c>cairn</c>, with the gateway's keys in its environment.</summary>
internal static class CairnCommand
{
    /// <summary>Runs it to its end.</summary>
    public static async Task<(int Code, string Output)> RunAsync(ObjectGateway gateway, CancellationToken cancellationToken, params string[] arguments)
    {
        using Process command = Start(gateway, arguments);
        Task<string> errors = command.StandardError.ReadToEndAsync(cancellationToken);
        string output = await command.StandardOutput.ReadToEndAsync(cancellationToken);
        await command.WaitForExitAsync(cancellationToken);
        return (command.ExitCode, output + await errors);
    }

    /// <summary>Starts it.</summary>
    public static Process Start(ObjectGateway gateway, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Cairn.Cli.dll"), .. arguments])
        {
            UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        (start.Environment["AWS_ACCESS_KEY_ID"], start.Environment["AWS_SECRET_ACCESS_KEY"], start.Environment["AWS_ENDPOINT_URL"]) = (gateway.AccessKey, gateway.SecretKey, gateway.Endpoint.ToString());
        return Process.Start(start)!;
    }
}
