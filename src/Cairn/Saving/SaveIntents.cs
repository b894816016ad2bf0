using System.Text;
using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>What is under way in a store that cannot rename: in <c>.staging/</c> an object for each save or retirement, which names its folder.</summary>
/// <param name="store">The run.</param>
internal sealed class SaveIntents(IRunStore store)
{
    private const string Saves = "save", Retires = "retire";
    private const int LongestIntent = 256;

    /// <summary>Says that a copy is being saved in a folder, before anything of it is written.</summary>
    public void BeginSave(string attempt, string folder) => Begin(attempt, Saves, folder);

    /// <summary>Says that the copy in a folder is being removed, before anything of it goes.</summary>
    public void BeginRetirement(string attempt, string folder) => Begin(attempt, Retires, folder);

    /// <summary>Says that it is over.</summary>
    public void End(string attempt) => StoreCall.Wait(() => store.DeleteAsync(PathOf(attempt)));

    /// <summary>Whether the copy in a folder is being saved or removed just now, or was when a process ended: that it has no marker is then no damage.</summary>
    public static bool AreOf(IFileSource files, string folder)
    {
        var attempts = new HashSet<string>(StringComparer.Ordinal);
        foreach (FileSystemEntry intent in files.List(RunFolder.Staging).Where(entry => !entry.IsFolder))
        {
            switch (Found(files, intent))
            {
                case (true, var saved) when saved == folder:
                    attempts.Add(intent.Name);
                    break;
                case (false, var retired) when retired == folder:
                    return true;
            }
        }
        return attempts.Count > 0 && files.List(folder).All(entry => attempts.Contains(entry.Name));
    }

    /// <summary>Whether the copy in a folder is being removed just now, or was when a process ended.</summary>
    public static bool IsRetired(IFileSource files, string folder) => files.List(RunFolder.Staging).Any(intent => !intent.IsFolder && Found(files, intent) == (false, folder));

    /// <summary>What an intent says; <see langword="null"/> when anybody else wrote it, for then it is not taken for a folder of copies.</summary>
    public static (bool IsSave, string Folder)? Read(IFileSource files, FileSystemEntry intent)
    {
        if (intent.Length > LongestIntent)
            return null;
        return Encoding.UTF8.GetString(SmallFile.Read(files, PathOf(intent.Name), LongestIntent)).Split(' ') switch
        {
            [Saves, var folder] => (true, folder),
            [Retires, var folder] => (false, folder),
            _ => null,
        };
    }

    // As Read, and nothing when it ended meanwhile.
    private static (bool IsSave, string Folder)? Found(IFileSource files, FileSystemEntry intent)
    {
        try
        {
            return Read(files, intent);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private void Begin(string attempt, string does, string folder) => StoreCall.Wait(() => store.PutAsync(PathOf(attempt), Encoding.UTF8.GetBytes($"{does} {folder}")));

    private static string PathOf(string attempt) => $"{RunFolder.Staging}/{attempt}";
}
