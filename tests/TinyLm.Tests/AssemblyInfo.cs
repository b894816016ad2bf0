// The tests mostly wait for processes of one thread, and one of them for most of its time for the time limits of a scheduler: three at a time use two cores.
[assembly: Xunit.v3.Parallelization(MaxThreads = 3)]
