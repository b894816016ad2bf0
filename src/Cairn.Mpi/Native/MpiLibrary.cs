using System.Runtime.InteropServices;

namespace Cairn.Mpi.Native;

/// <summary>Finds and loads the library of an MPI.</summary>
internal static partial class MpiLibrary
{
    private const int Now = 2, LinuxGlobal = 0x100, MacGlobal = 8;

    /// <summary>Loads it so that its symbols are visible to the components that Open MPI loads later by itself.</summary>
    /// <param name="implementation">Which MPI.</param>
    /// <param name="path">The library's path; the usual names when null.</param>
    /// <exception cref="MpiException">It is not there.</exception>
    public static nint Load(MpiImplementation implementation, string? path)
    {
        List<string> reasons = [];
        foreach (string name in path is null ? Names(implementation) : [path])
        {
            nint library = Open(name, out string reason);
            if (library != 0)
                return library;
            reasons.Add(reason);
        }
        (string product, string package) = implementation == MpiImplementation.OpenMpi ? ("Open MPI", "openmpi-bin") : ("MPICH", "mpich");
        throw new MpiException($"{product} cannot be loaded: {string.Join("; ", reasons)}. Install it (Debian and Ubuntu: apt-get install {package}), add its folder to LD_LIBRARY_PATH, or name the library in CAIRN_MPI_LIBRARY. If the job shall use another MPI, start it with that one's mpirun or set CAIRN_MPI to openmpi or mpich.")
        {
            Path = path,
        };
    }

    /// <summary>Whether one of the usual names can be loaded.</summary>
    public static bool Exists(MpiImplementation implementation) =>
        Array.Exists(Names(implementation), name => NativeLibrary.TryLoad(name, out _));

    private static string[] Names(MpiImplementation implementation) => (implementation, OperatingSystem.IsMacOS()) switch
    {
        (MpiImplementation.OpenMpi, false) => ["libmpi.so.40"],
        (MpiImplementation.OpenMpi, true) => ["libmpi.40.dylib"],
        (_, false) => ["libmpich.so.12", "libmpi.so.12"],
        (_, true) => ["libmpi.12.dylib"],
    };

    private static unsafe nint Open(string name, out string reason)
    {
        int flags = Now | (OperatingSystem.IsMacOS() ? MacGlobal : LinuxGlobal);
        nint library = dlopen(name, flags);
        reason = library != 0 ? "" : Marshal.PtrToStringUTF8(dlerror()) ?? name;
        return library;
    }

#pragma warning disable IDE1006, SYSLIB1054 // Names of the C library.
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint dlopen(string name, int flags);

    [LibraryImport("libc")]
    private static partial nint dlerror();
#pragma warning restore IDE1006, SYSLIB1054
}
