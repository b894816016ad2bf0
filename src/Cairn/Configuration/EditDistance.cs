namespace Cairn.Configuration;

/// <summary>Finds the name that somebody meant.</summary>
internal static class EditDistance
{
    /// <summary>The nearest name, when it is so near that it was probably meant; otherwise <see langword="null"/>.</summary>
    /// <param name="typed">What was typed.</param>
    /// <param name="names">What it may be.</param>
    /// <param name="normalize">Makes equal what is meant to be equal.</param>
    public static string? Nearest(string typed, IEnumerable<string> names, Func<string, string> normalize)
    {
        string wanted = normalize(typed);
        string? nearest = names.MinBy(name => Between(normalize(name), wanted));
        return nearest is not null && Between(normalize(nearest), wanted) <= Math.Max(2, wanted.Length / 3) ? nearest : null;
    }

    // Levenshtein's distance, one row at a time.
    private static int Between(string left, string right)
    {
        int[] row = [.. Enumerable.Range(0, right.Length + 1)];
        for (int i = 1; i <= left.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= right.Length; j++)
            {
                int replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[^1];
    }
}
