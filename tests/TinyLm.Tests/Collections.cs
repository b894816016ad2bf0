namespace TinyLm.Tests;

/// <summary>Tests that train in this process, one after the other: Torch's random state is the process's own.</summary>
[CollectionDefinition(nameof(InThisProcess))]
public class InThisProcess;

/// <summary>Tests whose time-outs should not meet the load of others.</summary>
[CollectionDefinition(nameof(OnItsOwn), DisableParallelization = true)]
public class OnItsOwn;
