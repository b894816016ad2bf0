using System.Text.Json;
using TorchSharp;

namespace Cairn.Peers;

/// <summary>A contender as a process: lines of operations in, a line of JSON for each out, as <c>peer.py</c> does it.</summary>
internal static class ContenderProgram
{
    /// <summary>The argument with which a process becomes a contender.</summary>
    public const string Verb = "contend";

    public static int Run(string kind, string folder, long[] elements)
    {
        TextWriter answers = Console.Out;
        Console.SetOut(Console.Error);
        using var model = new StateModule(elements);
        Directory.CreateDirectory(folder);
        using IContender contender = kind switch
        {
            "torchsharp" => new TorchSharpContender(folder, model),
            "cairn" => CairnContender.Synchronous(folder, model),
            "cairn-async" => CairnContender.Asynchronous(folder, model),
            "cairn-resume" => new CairnResumeContender(folder, model),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
        };
        Type library = kind == "torchsharp" ? typeof(torch) : typeof(CheckpointManager);
        Say(new { version = $"{library.Assembly.GetName().Name} {library.Assembly.GetName().Version}" });
        while (Console.In.ReadLine() is { } line && line != "quit")
        {
            if (line == "newest")
                Say(new { path = contender.Newest });
            else
                Say(contender.Do(line));
        }
        return 0;

        void Say<T>(T answer)
        {
            answers.WriteLine(JsonSerializer.Serialize(answer, JsonSerializerOptions.Web));
            answers.Flush();
        }
    }
}
