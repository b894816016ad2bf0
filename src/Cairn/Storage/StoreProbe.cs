namespace Cairn.Storage;

/// <summary>Writes, reads and removes a small file, so that a store which refuses is found before the first step.</summary>
internal static class StoreProbe
{
    private static readonly byte[] Content = "cairn probe\n"u8.ToArray();

    /// <exception cref="StoreException">The store refuses, or gives back other bytes.</exception>
    public static void Run(IFileSystem files)
    {
        const string Name = ".probe";
        try
        {
            using (IWritableFile file = files.OpenWrite(Name, Content.Length))
            {
                file.Write(Content);
                file.Sync();
            }
            byte[] back = new byte[Content.Length];
            using (IReadableFile file = files.OpenRead(Name))
            {
                if (file.Read(0, back) != back.Length || !back.AsSpan().SequenceEqual(Content))
                    throw new StoreException($"{files.Root} gave back other bytes than were written. Check the disk or mount.") { Path = files.Root };
            }
            files.DeleteFile(Name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"{files.Root} cannot be written: {e.Message} Check Folder, its permissions and free space.", e) { Path = files.Root };
        }
    }
}
