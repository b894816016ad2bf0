using Cairn.Formats.Safetensors;
using Cairn.Inspection;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Bench;

/// <summary>Looking through every value of a file, against reading it.</summary>
/// <param name="state">What is looked through.</param>
/// <param name="folder">Where files may be.</param>
/// <param name="rounds">How often.</param>
/// <param name="forget">Drops the page cache when it is told to.</param>
internal sealed class Inspections(LargeState state, string folder, int rounds, Action<bool> forget)
{
    private const int Block = 8 << 20;

    public void Run()
    {
        var files = new LocalFileSystem(folder);
        string[] names = ["left.safetensors", "same.safetensors", "other.safetensors"];
        Write(files, names[0], state);
        Write(files, names[1], state);
        using (var other = new LargeState(state.Bytes, seed: 5))
            Write(files, names[2], other);
        foreach (bool cold in (bool[])[true, false])
        {
            string how = cold ? "cold" : "warm";
            Measure.Compare($"statistics, {how}, against raw read", state.Bytes, rounds, () => Read(cold, names[..1]), () => Timed(cold, () => Statistics(files, names[0])));
            Measure.Compare($"compare equal files, {how}, against raw read", 2 * state.Bytes, rounds, () => Read(cold, names[..2]), () => Timed(cold, () => Compare(files, names[0], names[1])));
            Measure.Compare($"compare other files, {how}, against raw read", 2 * state.Bytes, rounds, () => Read(cold, [names[0], names[2]]), () => Timed(cold, () => Compare(files, names[0], names[2])));
        }
        foreach (string name in names)
            files.DeleteFile(name);
    }

    private static void Write(LocalFileSystem files, string name, LargeState state)
    {
        SafetensorsWriter content = SafetensorsWriter.Plan([.. state.Model.Select(entry => KeyValuePair.Create(entry.Key, (StateTensor)entry.Value))]);
        FilesWriter.Write([new FileToWrite(name, content, () => files.OpenWrite(name, content.Length))], static _ => { }, CancellationToken.None);
    }

    private static void Statistics(LocalFileSystem files, string name)
    {
        using SafetensorsFile file = SafetensorsFile.Open(files, name);
        TensorInspector.Measure([.. file.Tensors.Values]);
    }

    private static void Compare(LocalFileSystem files, string left, string right)
    {
        using SafetensorsFile one = SafetensorsFile.Open(files, left), two = SafetensorsFile.Open(files, right);
        TensorInspector.Compare([.. one.Tensors.Select(tensor => (tensor.Value, two.Tensors[tensor.Key]))]);
    }

    private TimeSpan Timed(bool cold, Action action)
    {
        forget(cold);
        return Measure.Time(action);
    }

    private TimeSpan Read(bool cold, string[] names)
    {
        forget(cold);
        byte[] block = GC.AllocateUninitializedArray<byte>(Block);
        return Measure.Time(() =>
        {
            foreach (string name in names)
            {
                using SafeFileHandle handle = File.OpenHandle(Path.Combine(folder, name));
                long offset = 0;
                while (RandomAccess.Read(handle, block, offset) is var read and > 0)
                    offset += read;
            }
        });
    }
}
