namespace Cairn.Stores;

/// <summary>The small files of a run, beside its copies: its record, its journal, what an operator asks of it.</summary>
internal interface IRunFiles : IFileSource
{
    /// <summary>Puts a small file in its place as a whole: a crash leaves the old one or the new one.</summary>
    void Put(string path, ReadOnlySpan<byte> bytes, bool durable);

    /// <summary>Appends bytes to a file, which is made when there is none, in one write.</summary>
    void Append(string path, ReadOnlySpan<byte> bytes, bool durable);

    /// <summary>Renames a small file; on a disk any file or folder, atomically. A file at the new name is replaced; a folder there is an error.</summary>
    void Move(string from, string to);

    /// <summary>Removes a file; nothing happens when there is none.</summary>
    void DeleteFile(string path);
}
