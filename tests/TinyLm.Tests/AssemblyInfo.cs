// Torch's random state and threads are the process's own, and processes that are killed at random moments should have the machine to themselves.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
