using System.Text.Json.Nodes;
using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Interop.Tests;

/// <summary>Files of the system's PyTorch that hold objects: modules give the tensors of their <c>state_dict()</c>, plain values themselves, and what is neither is named.</summary>
public sealed class ObjectReadingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _opaque;

    public ObjectReadingTests()
    {
        Python.Require();
        _opaque = int.Parse(Python.Run("objects.py", [_folder.Path]), System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Objects_are_read_as_far_as_they_are_plain()
    {
        string[] modules = [.. Directory.GetFiles(_folder.Path, "*.expected.pt").Select(path => Path.GetFileName(path)[..^".expected.pt".Length])];
        modules.Length.ShouldBe(6);
        foreach (string module in modules)
        {
            using LoadedTorchState expected = Open($"{module}.expected.pt");
            foreach (string form in (string[])["protocol2", "protocol4", "beside", "legacy"])
            {
                using LoadedTorchState read = Open($"{module}.{form}.pt");
                Same(read.Load("model"), expected.Load("model"), $"{module}.{form}");
                read.Notes.ShouldHaveSingleItem().ShouldContain("of which only the tensors are read");
            }
        }
        JsonArray plain = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.Path, "plain.json")))!.AsArray();
        foreach (string form in (string[])["protocol2", "protocol5"])
        {
            using LoadedTorchState values = Open($"values.{form}.pt");
            StateMap context = values.Load("context");
            Json(context["plain"])!.ToJsonString().ShouldBe(plain.ToJsonString());
            // Each of the others is named by its place, and nothing else is.
            ((StateList)context["opaque"]).Count.ShouldBe(_opaque);
            var unread = new List<UnreadValue>();
            using TorchFile file = TorchFile.Map(Path.Combine(_folder.Path, $"values.{form}.pt"), new TorchReadOptions { AllowOpaque = true });
            _ = TorchTree.ToState(file.Root, unread);
            unread.Select(value => value.Place).ShouldBe(Enumerable.Range(0, _opaque).Select(i => $"opaque/{i}"));
        }
    }

    private LoadedTorchState Open(string name) => LoadedTorchState.OpenFile(new LocalFileSystem(_folder.Path), name);

    private static void Same(StateMap read, StateMap expected, string what)
    {
        read.Keys.ShouldBe(expected.Keys, what);
        foreach (string name in expected.Keys)
        {
            StateTensor own = (StateTensor)read[name], other = (StateTensor)expected[name];
            (own.Type, string.Join(',', own.Shape)).ShouldBe((other.Type, string.Join(',', other.Shape)), $"{what} {name}");
            Bytes(own).ShouldBe(Bytes(other), $"{what} {name}");
            // A tie is one tensor at two places in both.
            read.Values.Count(value => ReferenceEquals(value, own)).ShouldBe(expected.Values.Count(value => ReferenceEquals(value, other)), $"{what} {name}");
        }
    }

    private static byte[] Bytes(StateTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        return bytes;
    }

    private static JsonNode? Json(StateNode node) => node switch
    {
        StateMap map => new JsonObject(map.Select(entry => KeyValuePair.Create(entry.Key, Json(entry.Value)))),
        StateList list => new JsonArray([.. list.Select(Json)]),
        StateTensor tensor => new JsonArray([.. Bytes(tensor).Select(value => (JsonNode?)JsonValue.Create((long)value))]),
        StateScalar { Value: null } => null,
        StateScalar { Value: bool value } => value,
        StateScalar { Value: long value } => value,
        StateScalar { Value: double value } => value,
        StateScalar { Value: string value } => value,
        _ => throw new InvalidOperationException($"{node.GetType()}"),
    };

    public void Dispose() => _folder.Dispose();
}
