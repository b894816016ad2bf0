using System;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Copies a 64-bit little-endian ELF library and sets VER_FLG_WEAK on one version requirement of its .gnu.version_r
/// section, so that the loader accepts a system that lacks the version. Fails unless exactly one entry matches.
/// Layouts: Linux Standard Base, "Symbol Versioning" (Verneed, Vernaux), and the ELF-64 object file format.
/// </summary>
public class WeakenVersionRequirement : Task
{
    const uint SectionTypeVersionNeeds = 0x6ffffffe;
    const ushort Weak = 2;

    [Required] public string Source { get; set; }
    [Required] public string Destination { get; set; }
    [Required] public string Requirement { get; set; }

    public override bool Execute()
    {
        if (File.Exists(Destination) && File.GetLastWriteTimeUtc(Destination) >= File.GetLastWriteTimeUtc(Source))
            return true;

        byte[] elf = File.ReadAllBytes(Source);
        int hits = 0;
        long sections = BitConverter.ToInt64(elf, 0x28);
        int sectionSize = BitConverter.ToUInt16(elf, 0x3A), sectionCount = BitConverter.ToUInt16(elf, 0x3C);
        for (int i = 0; i < sectionCount; i++)
        {
            int section = checked((int)sections + i * sectionSize);
            if (BitConverter.ToUInt32(elf, section + 4) != SectionTypeVersionNeeds)
                continue;
            int strings = checked((int)sections + BitConverter.ToInt32(elf, section + 0x28) * sectionSize);
            int stringTable = checked((int)BitConverter.ToInt64(elf, strings + 0x18));
            hits += Weaken(elf, checked((int)BitConverter.ToInt64(elf, section + 0x18)), stringTable);
        }

        if (hits != 1)
        {
            Log.LogError("{0}: {1} requirements named {2} where one was expected; this build target needs a look.", Source, hits, Requirement);
            return false;
        }
        Directory.CreateDirectory(Path.GetDirectoryName(Destination));
        string temporary = Destination + "." + Guid.NewGuid().ToString("N");
        File.WriteAllBytes(temporary, elf);
        if (File.Exists(Destination))
            File.Delete(Destination);
        File.Move(temporary, Destination);
        return true;
    }

    int Weaken(byte[] elf, int need, int stringTable)
    {
        int hits = 0;
        while (true)
        {
            int count = BitConverter.ToUInt16(elf, need + 2);
            int entry = need + BitConverter.ToInt32(elf, need + 8);
            for (int i = 0; i < count; i++)
            {
                if (Text(elf, stringTable + BitConverter.ToInt32(elf, entry + 8)) == Requirement)
                {
                    elf[entry + 4] |= (byte)Weak;
                    hits++;
                }
                entry += BitConverter.ToInt32(elf, entry + 12);
            }
            int next = BitConverter.ToInt32(elf, need + 12);
            if (next == 0)
                return hits;
            need += next;
        }
    }

    static string Text(byte[] elf, int at)
    {
        int end = Array.IndexOf(elf, (byte)0, at);
        return Encoding.ASCII.GetString(elf, at, end - at);
    }
}
