// The tests mostly wait for processes of one thread: two at a time use two cores.
[assembly: Xunit.v3.Parallelization(MaxThreads = 2)]
