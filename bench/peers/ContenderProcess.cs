using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Cairn.Bench;

namespace Cairn.Peers;

/// <summary>A contender's process, as the driver sees it.</summary>
internal sealed class ContenderProcess : IDisposable
{
    private readonly Process _process;
    private readonly string _kind;

    private ContenderProcess(string kind, string executable, IEnumerable<string> arguments)
    {
        _kind = kind;
        _process = Process.Start(new ProcessStartInfo(executable, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true })
            ?? throw new InvalidOperationException($"{executable} does not start.");
        using JsonDocument hello = Read();
        Version = hello.RootElement.GetProperty("version").GetString()!;
    }

    /// <summary>The library and its version.</summary>
    public string Version { get; }

    /// <summary>One that <c>peer.py</c> plays.</summary>
    public static ContenderProcess Python(string python, string kind, string folder, long[] elements) =>
        new(kind, python, [Path.Combine(AppContext.BaseDirectory, "peer.py"), kind, Path.Combine(folder, kind), .. Text(elements)]);

    /// <summary>One that this program plays.</summary>
    public static ContenderProcess DotNet(string kind, string folder, long[] elements) =>
        new(kind, "dotnet", [typeof(ContenderProcess).Assembly.Location, ContenderProgram.Verb, kind, Path.Combine(folder, kind), .. Text(elements)]);

    /// <summary>Has one thing done.</summary>
    public Answer Ask(string operation)
    {
        Write(operation);
        using JsonDocument answer = Read();
        return answer.Deserialize<Answer>(JsonSerializerOptions.Web)!;
    }

    /// <summary>Has the newest copy loaded, which the page cache knows or not.</summary>
    public Answer Load(string operation, bool isCold)
    {
        Write("newest");
        string path;
        using (JsonDocument answer = Read())
            path = answer.RootElement.GetProperty("path").GetString()!;
        RawDisk.Forget(path);
        if (!isCold)
            RawDisk.Remember(path);
        return Ask(operation);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            _process.WaitForExit();
        }
        _process.Dispose();
    }

    private static IEnumerable<string> Text(long[] elements) => elements.Select(count => count.ToString(CultureInfo.InvariantCulture));

    private void Write(string operation)
    {
        _process.StandardInput.WriteLine(operation);
        _process.StandardInput.Flush();
    }

    private JsonDocument Read() => JsonDocument.Parse(_process.StandardOutput.ReadLine() ?? throw new InvalidOperationException($"The contender {_kind} ended; what it said is above."));
}
