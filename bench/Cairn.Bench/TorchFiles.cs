using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cairn.Formats;
using Cairn.Formats.Safetensors;
using Cairn.Formats.Torch;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Bench;

/// <summary>Files of PyTorch: writing against <c>torch.save</c> and against safetensors, and reading a mapped one.</summary>
internal sealed class TorchFiles(LargeState state, string folder, int rounds)
{
    private const string Name = "model.pt";

    public void Write()
    {
        var files = new LocalFileSystem(folder);
        using Process? python = StartPython(out string version);
        foreach (bool durable in (bool[])[true, false])
        {
            string how = durable ? "durable" : "no fsync";
            if (python is not null)
                Measure.Compare($"write .pt, {how}, against torch.save {version}", state.Bytes, rounds, () => Saved(python, durable), () => Written(files, PlanTorch, durable));
            Measure.Compare($"write .pt, {how}, against safetensors", state.Bytes, rounds * 2, () => Written(files, PlanSafetensors, durable), () => Written(files, PlanTorch, durable));
        }
        if (python is null)
            Console.WriteLine("no Python with PyTorch: torch.save is left out");
        else
        {
            python.StandardInput.Close();
            python.WaitForExit();
        }
    }

    public void ReadMapped()
    {
        Written(new LocalFileSystem(folder), PlanTorch, durable: false);
        string path = Path.Combine(folder, Name);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        int read = Visit(path, bytes => !bytes.IsEmpty);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        int mapped = Visit(path, bytes => IsMapped(bytes, path));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{"read a mapped .pt",-44} {read} tensors of {state.Bytes:N0} bytes: {allocated:N0} bytes allocated; {mapped} lie in the mapping itself"));
    }

    private static int Visit(string path, Func<ReadOnlySpan<byte>, bool> isGood)
    {
        int count = 0;
        using TorchFile file = TorchFile.Map(path);
        foreach ((TorchValue _, TorchValue value) in (TorchMap)file.Root)
        {
            StateTensor tensor = ((TorchTensorValue)value).Data;
            if (tensor.TryGetSpan(0, (int)tensor.ByteLength, out ReadOnlySpan<byte> bytes) && isGood(bytes))
                count++;
        }
        return count;
    }

    private IFileContent PlanTorch() => TorchFileWriter.Plan(TorchTree.FromState(state.Model), "model");

    private IFileContent PlanSafetensors() => SafetensorsWriter.Plan(state.Model.Select(entry => KeyValuePair.Create(entry.Key, (StateTensor)entry.Value)));

    private static TimeSpan Written(LocalFileSystem files, Func<IFileContent> plan, bool durable)
    {
        files.DeleteFile(Name);
        Settle();
        return Measure.Time(() =>
        {
            IFileContent content = plan();
            using IWritableFile file = files.OpenWrite(Name, content.Length);
            using var writer = new SequentialWriter(file, content.Length);
            content.WriteTo((bytes, _, _) => writer.Write(bytes));
            writer.Complete();
            if (durable)
                file.Sync();
        });
    }

    private static TimeSpan Saved(Process python, bool durable)
    {
        Settle();
        python.StandardInput.WriteLine(durable ? "durable" : "buffered");
        python.StandardInput.Flush();
        string line = python.StandardOutput.ReadLine() ?? throw new InvalidOperationException("torch_save.py ended");
        return TimeSpan.FromSeconds(double.Parse(line, CultureInfo.InvariantCulture));
    }

    // What the other side left unwritten would be written at this one's cost.
    private static void Settle()
    {
        using var sync = Process.Start("sync");
        sync.WaitForExit();
    }

    private Process? StartPython(out string version)
    {
        string executable = Environment.GetEnvironmentVariable("CAIRN_PYTHON") ?? "/usr/bin/python3";
        version = "";
        if (!File.Exists(executable))
            return null;
        string[] arguments = [Path.Combine(AppContext.BaseDirectory, "torch_save.py"), Path.Combine(folder, "saved.pt"),
            .. state.Tensors.Select(tensor => tensor.ByteLength.ToString(CultureInfo.InvariantCulture))];
        Process python = Process.Start(new ProcessStartInfo(executable, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true })!;
        if (python.StandardOutput.ReadLine() is string first)
        {
            version = first;
            return python;
        }
        python.Dispose();
        return null;
    }

    private static unsafe bool IsMapped(ReadOnlySpan<byte> bytes, string path)
    {
        ulong address = (ulong)(nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(bytes));
        foreach (string line in File.ReadLines("/proc/self/maps").Where(line => line.EndsWith(path, StringComparison.Ordinal)))
        {
            string[] range = line[..line.IndexOf(' ', StringComparison.Ordinal)].Split('-');
            if (address >= ulong.Parse(range[0], NumberStyles.HexNumber, null) && address + (ulong)bytes.Length <= ulong.Parse(range[1], NumberStyles.HexNumber, null))
                return true;
        }
        return false;
    }
}
