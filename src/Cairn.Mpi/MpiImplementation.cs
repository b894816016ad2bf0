namespace Cairn.Mpi;

/// <summary>The two families of MPI libraries, which differ in their binary interface.</summary>
public enum MpiImplementation
{
    /// <summary>Open MPI 4 and 5: <c>libmpi.so.40</c>.</summary>
    OpenMpi,
    /// <summary>MPICH 3 and later, and what shares its binary interface, such as MVAPICH, Intel MPI and Cray MPI: <c>libmpich.so.12</c>, elsewhere <c>libmpi.so.12</c>.</summary>
    Mpich,
}

/// <summary>From which threads MPI lets itself be called (MPI 3.1, section 12.4).</summary>
public enum MpiThreadLevel
{
    /// <summary>From the one thread of the program.</summary>
    Single = 0,
    /// <summary>From the thread that started it.</summary>
    Funneled = 1,
    /// <summary>From one thread at a time.</summary>
    Serialized = 2,
    /// <summary>From all threads at once.</summary>
    Multiple = 3,
}
