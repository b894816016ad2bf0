using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>Folders and files by inode number: names belong to folders, bytes to inodes. Byte arrays are shared and never changed.</summary>
internal sealed class SimulatedTree
{
    public const int Root = 0;

    private readonly Dictionary<int, Dictionary<string, int>> _folders = new() { [Root] = new(StringComparer.Ordinal) };
    // The name that each inode was given last: a search of all folders at each change would take longer the more copies there are.
    private readonly Dictionary<int, (int Folder, string Name)> _places = [];

    public Dictionary<int, byte[]> Files { get; } = [];
    public int NextInode { get; set; } = 1;

    public SimulatedTree Clone()
    {
        var clone = new SimulatedTree { NextInode = NextInode };
        foreach ((int inode, Dictionary<string, int> entries) in _folders)
            clone._folders[inode] = new(entries, StringComparer.Ordinal);
        foreach ((int inode, byte[] bytes) in Files)
            clone.Files[inode] = bytes;
        foreach ((int inode, (int Folder, string Name) place) in _places)
            clone._places[inode] = place;
        return clone;
    }

    /// <summary>All files with their bytes; folders end in <c>/</c> and have none.</summary>
    public SortedDictionary<string, byte[]> AllFiles()
    {
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        Walk((path, inode, isFolder) => files.Add(isFolder ? path + "/" : path, isFolder ? [] : Files[inode]));
        return files;
    }

    public bool IsFolder(int inode) => _folders.ContainsKey(inode);

    public IReadOnlyDictionary<string, int> Entries(int folder) => _folders[folder];

    public void AddInode(int inode, bool isFolder)
    {
        if (isFolder)
            _folders.TryAdd(inode, new(StringComparer.Ordinal));
        else
            Files.TryAdd(inode, []);
        NextInode = Math.Max(NextInode, inode + 1);
    }

    /// <summary>The inode of a path, or -1.</summary>
    public int Find(string path)
    {
        int inode = Root;
        if (path.Length == 0)
            return inode;
        foreach (string name in path.Split('/'))
        {
            if (!_folders.TryGetValue(inode, out Dictionary<string, int>? entries) || !entries.TryGetValue(name, out inode))
                return -1;
        }
        return inode;
    }

    public int Existing(string path)
    {
        int inode = Find(path);
        return inode >= 0 ? inode : throw new FileNotFoundException($"There is no '{path}'.", path);
    }

    public int ParentOf(string path)
    {
        int parent = Find(StorePath.Parent(path));
        return IsFolder(parent) ? parent : throw new DirectoryNotFoundException($"There is no folder for '{path}'.");
    }

    public static string NameOf(string path) => path[(path.LastIndexOf('/') + 1)..];

    /// <summary>Bytes of all files that can be reached.</summary>
    public long FileBytes()
    {
        var files = new HashSet<int>();
        Walk((_, inode, isFolder) =>
        {
            if (!isFolder)
                files.Add(inode);
        });
        return files.Sum(inode => (long)Files[inode].Length);
    }

    /// <summary>How many names an inode has.</summary>
    public int Links(int inode) => _folders.Values.Sum(entries => entries.Values.Count(linked => linked == inode));

    /// <summary>Gives an inode a name, its only one or one more. What had the name loses it, and so does the inode its earlier names.</summary>
    public void Link(int folder, string name, int inode, bool isFurtherName)
    {
        if (!isFurtherName)
        {
            if (_places.TryGetValue(inode, out (int Folder, string Name) earlier))
                Unlink(earlier.Folder, earlier.Name, inode);
            _places[inode] = (folder, name);
        }
        _folders[folder][name] = inode;
    }

    public void Unlink(int folder, string name, int inode)
    {
        if (_folders[folder].TryGetValue(name, out int linked) && linked == inode)
            _folders[folder].Remove(name);
    }

    /// <summary>Calls back with path, inode and whether it is a folder, for all that can be reached, in the order of names.</summary>
    public void Walk(Action<string, int, bool> visit) => Walk(Root, "", visit);

    private void Walk(int folder, string path, Action<string, int, bool> visit)
    {
        foreach ((string name, int inode) in _folders[folder].OrderBy(e => e.Key, StringComparer.Ordinal))
        {
            string full = path.Length == 0 ? name : $"{path}/{name}";
            visit(full, inode, IsFolder(inode));
            if (IsFolder(inode))
                Walk(inode, full, visit);
        }
    }
}
