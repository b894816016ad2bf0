namespace Cairn.Cli.Tests.Samples;

/// <summary>Ways in which files go bad.</summary>
internal static class SampleDamage
{
    /// <summary>Turns one bit of the last byte around.</summary>
    public static void Flip(string path)
    {
        using FileStream file = new(path, FileMode.Open);
        file.Position = file.Length - 1;
        int last = file.ReadByte();
        file.Position = file.Length - 1;
        file.WriteByte((byte)(last ^ 1));
    }
}
