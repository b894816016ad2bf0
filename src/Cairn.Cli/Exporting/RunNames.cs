using Cairn.Stores;

namespace Cairn.Cli.Exporting;

/// <summary>What several runs are called beside one another: as much of the end of each path as tells them apart.</summary>
internal static class RunNames
{
    /// <summary>A name of each whole path, in their order; with slashes where the last part is not enough.</summary>
    /// <exception cref="WrongUseException">A path stands twice.</exception>
    public static string[] Of(IReadOnlyList<string> places)
    {
        if (places.GroupBy(place => place, StringComparer.Ordinal).FirstOrDefault(same => same.Skip(1).Any()) is { } twice)
            throw new WrongUseException($"{twice.Key} is given twice.");
        string[] names = [.. places.Select(PlacePath.Name)], rest = [.. places.Select(place => PlacePath.Parent(place) ?? "")];
        while (names.GroupBy(name => name, StringComparer.Ordinal).Where(same => same.Skip(1).Any()).SelectMany(same => same).ToHashSet(StringComparer.Ordinal) is { Count: > 0 } same)
        {
            bool grew = false;
            for (int i = 0; i < names.Length; i++)
            {
                if (!same.Contains(names[i]) || PlacePath.Name(rest[i]) is not { Length: > 0 } part)
                    continue;
                (names[i], rest[i], grew) = ($"{part}/{names[i]}", PlacePath.Parent(rest[i]) ?? "", true);
            }
            // Such as a folder and an address of which nothing but the beginning differs.
            if (!grew)
                return [.. names.Select((name, i) => $"{name}-{i + 1}")];
        }
        return [.. names.Select(name => name.Length > 0 ? name : "run")];
    }
}
