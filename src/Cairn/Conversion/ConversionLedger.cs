using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Layouts;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Conversion;

/// <summary>
/// What a conversion has written so far, in a file beside it, so that one that was interrupted goes on. It is of one plan: files, sizes, tensors and
/// source; of another plan it counts for nothing.
/// </summary>
internal sealed class ConversionLedger
{
    /// <summary>Its file's name. The file is removed when the conversion is done.</summary>
    public const string FileName = ".cairn-convert.json";
    private const int LargestFile = 64 << 20;

    private readonly IFileSystem _files;
    private readonly string _path, _plan;
    private readonly Dictionary<string, MarkedFile> _done = new(StringComparer.Ordinal);

    private ConversionLedger(IFileSystem files, string path, string plan) => (_files, _path, _plan) = (files, path, plan);

    /// <summary>Whether a name is that of a ledger which was not written to its end.</summary>
    public static bool IsLeftOver(string name) => name == FileName + ".new";

    /// <summary>The files that are complete.</summary>
    public IReadOnlyDictionary<string, MarkedFile> Done => _done;

    /// <summary>Whether an earlier conversion of the same plan was interrupted here.</summary>
    public bool IsResumed { get; private set; }

    /// <summary>The ledger at a path, or a new one when there is none of this plan.</summary>
    public static ConversionLedger Open(IFileSystem files, string path, string plan)
    {
        var ledger = new ConversionLedger(files, path, plan);
        if (!files.FileExists(path))
            return ledger;
        try
        {
            using JsonDocument document = JsonDocument.Parse(SmallFile.Read(files, path, LargestFile));
            JsonElement json = document.RootElement;
            if (json.GetProperty("plan").GetString() != plan)
                return ledger;
            foreach (JsonElement file in json.GetProperty("files").EnumerateArray())
            {
                var done = MarkedFile.Read(file);
                ledger._done[done.Name] = done;
            }
            ledger.IsResumed = true;
        }
        catch (Exception e) when (RunFolder.IsMalformed(e) || e is CorruptCheckpointException)
        {
            // It was cut: what it knew is written again.
            ledger._done.Clear();
        }
        return ledger;
    }

    /// <summary>What a plan is known by: names, sizes and tensors of all files, and where they come from.</summary>
    public static string Fingerprint(string source, IEnumerable<PlannedFile> files)
    {
        var hash = new XxHash128();
        Add(source);
        foreach (PlannedFile file in files)
        {
            Add($"{file.Name} {file.Length}");
            foreach (TensorPlacement tensor in file.Tensors)
                Add($"{tensor.Name} {tensor.Tensor} {tensor.Offset}");
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash());

        void Add(string text)
        {
            hash.Append(Encoding.UTF8.GetBytes(text));
            hash.Append([(byte)0]);
        }
    }

    /// <summary>Takes note of a file, durably.</summary>
    public void Add(MarkedFile file)
    {
        _done[file.Name] = file;
        Save();
    }

    /// <summary>Writes the ledger.</summary>
    public void Save()
    {
        byte[] bytes = JsonBytes.Write(JsonBytes.Indented, json =>
        {
            json.WriteStartObject();
            json.WriteString("about", "An unfinished conversion by Cairn. The same command goes on with it.");
            json.WriteString("plan", _plan);
            json.WriteStartArray("files");
            foreach (MarkedFile file in _done.Values)
                file.Write(json);
            json.WriteEndArray();
            json.WriteEndObject();
        });
        using (IWritableFile file = _files.OpenWrite(_path + ".new", bytes.Length))
        {
            file.Write(0, bytes);
            file.Sync();
        }
        _files.Move(_path + ".new", _path);
    }

    /// <summary>Removes the file.</summary>
    public void Delete() => _files.DeleteFile(_path);
}
