namespace Cairn.Stores;

/// <summary>Tries out whether two folders can be swapped atomically in a folder of this machine.</summary>
internal static class ExchangeProbe
{
    /// <summary>Whether they can.</summary>
    public static bool Run(string root)
    {
        if (OperatingSystem.IsWindows())
            return false;
        string probe = Path.Join(root, $".exchange-probe-{Guid.NewGuid():N}");
        try
        {
            string first = Path.Join(probe, "first"), second = Path.Join(probe, "second");
            Directory.CreateDirectory(first);
            Directory.CreateDirectory(second);
            return UnixCalls.Exchange(first, second) == 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        finally
        {
            Remove(probe);
        }
    }

    private static void Remove(string probe)
    {
        try
        {
            Directory.Delete(probe, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A hidden empty folder may stay; nothing depends on it.
        }
    }
}
