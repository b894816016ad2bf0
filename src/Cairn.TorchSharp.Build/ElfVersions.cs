using System.Text;

namespace Cairn.TorchSharp.Build;

/// <summary>
/// The versions of other libraries that a 64-bit little-endian ELF library requires. Layouts: Linux Standard Base, "Symbol Versioning" (Verneed, Vernaux),
/// and the ELF-64 object file format.
/// </summary>
internal static class ElfVersions
{
    private const uint SectionTypeVersionNeeds = 0x6fff_fffe;
    private const byte Weak = 2;

    /// <summary>Sets the weak flag (VER_FLG_WEAK) on each requirement of this name, so that the loader accepts a system that lacks the version.</summary>
    /// <returns>How many requirements have the name, whether they were weak before or not.</returns>
    /// <exception cref="InvalidDataException">The bytes are no such library.</exception>
    public static int Weaken(byte[] elf, string requirement)
    {
        if (elf.Length < 0x40 || BitConverter.ToUInt32(elf, 0) != 0x464c_457f || elf[4] != 2 || elf[5] != 1)
            throw new InvalidDataException("It is no 64-bit little-endian ELF library.");
        try
        {
            return WeakenAll(elf, requirement);
        }
        catch (Exception e) when (e is ArgumentException or OverflowException or IndexOutOfRangeException)
        {
            throw new InvalidDataException("The tables of the ELF library point outside of it.", e);
        }
    }

    /// <summary>Whether a library names the version at all, as one does that provides it.</summary>
    public static bool Names(byte[] elf, string version) =>
        Encoding.GetEncoding("iso-8859-1").GetString(elf).IndexOf($"\0{version}\0", StringComparison.Ordinal) >= 0;

    private static int WeakenAll(byte[] elf, string requirement)
    {
        int hits = 0;
        int sections = checked((int)BitConverter.ToInt64(elf, 0x28));
        int size = BitConverter.ToUInt16(elf, 0x3A), count = BitConverter.ToUInt16(elf, 0x3C);
        for (int i = 0; i < count; i++)
        {
            int section = checked(sections + (i * size));
            if (BitConverter.ToUInt32(elf, section + 4) != SectionTypeVersionNeeds)
                continue;
            int strings = checked(sections + (BitConverter.ToInt32(elf, section + 0x28) * size));
            hits += WeakenSection(elf, Offset(elf, section), BitConverter.ToInt32(elf, section + 0x2C), Offset(elf, strings), requirement);
        }
        return hits;
    }

    private static int WeakenSection(byte[] elf, int need, int needs, int strings, string requirement)
    {
        int hits = 0;
        for (int i = 0; i < needs; i++)
        {
            int entry = checked(need + BitConverter.ToInt32(elf, need + 8));
            int entries = BitConverter.ToUInt16(elf, need + 2);
            for (int j = 0; j < entries; j++)
            {
                if (Text(elf, checked(strings + BitConverter.ToInt32(elf, entry + 8))) == requirement)
                {
                    elf[entry + 4] |= Weak;
                    hits++;
                }
                entry = checked(entry + BitConverter.ToInt32(elf, entry + 12));
            }
            need = checked(need + BitConverter.ToInt32(elf, need + 12));
        }
        return hits;
    }

    private static int Offset(byte[] elf, int section) => checked((int)BitConverter.ToInt64(elf, section + 0x18));

    private static string Text(byte[] elf, int at) => Encoding.ASCII.GetString(elf, at, Array.IndexOf(elf, (byte)0, at) - at);
}
