namespace Cairn.Stores;

/// <summary>The user's home folder, which <c>~</c> stands for at the beginning of a path, as in a shell: paths from configuration files never see one.</summary>
internal static class HomeFolder
{
    /// <summary>A path with the home folder in the place of a leading <c>~</c>. A folder that is really named so is written <c>./~</c>.</summary>
    public static string Expanded(string path)
    {
        if (path is not ['~', ..] || (path.Length > 1 && path[1] != '/' && path[1] != Path.DirectorySeparatorChar))
            return path;
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);
        return home.Length == 0 ? path : home + path[1..];
    }
}
