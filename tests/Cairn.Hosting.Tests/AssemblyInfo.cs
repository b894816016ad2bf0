// The exit code belongs to the process, and the tests look at it.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
