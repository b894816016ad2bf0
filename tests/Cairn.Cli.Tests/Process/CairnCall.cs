using System.Text;
using Cairn.Cli.Output;
using Cairn.S3;

namespace Cairn.Cli.Tests;

/// <summary>What a process printed and returned.</summary>
internal sealed record Result(int Code, string Out, string Error);

/// <summary>The command as the program calls it, in this process and with its output taken for a pipe: for what a verb says and does, where nothing depends on the process, its signals or a terminal.</summary>
internal static class CairnCall
{
    static CairnCall() => S3RunStores.Register();

    /// <summary>Has addresses of object stores mean this service from now on.</summary>
    public static void Reach(S3StoreOptions service) => S3RunStores.Register(service);

    /// <summary>Runs to the end.</summary>
    public static Result Run(params string[] arguments)
    {
        // The bytes of a pipe hold no half of a letter.
        using MemoryStream output = new(), error = new();
        int code = Task.Run(() => CommandLine.RunAsync(arguments, Writer(output), Writer(error))).GetAwaiter().GetResult();
        return new Result(code, Lines(output), Lines(error));
    }

    private static TextWriter Writer(Stream stream) => TextWriter.Synchronized(new GuardedWriter(new StreamWriter(stream, leaveOpen: true) { AutoFlush = true }));

    // As a process gives them: each with its end.
    private static string Lines(MemoryStream stream)
    {
        using var reader = new StringReader(Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length));
        var text = new StringBuilder();
        while (reader.ReadLine() is { } line)
            text.Append(line).Append('\n');
        return text.ToString();
    }
}
