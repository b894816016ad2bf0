// The tests mostly wait for processes of one thread, and one of them for most of its time for the time limits of a scheduler: two at a time leave room for the modules beside.
[assembly: Xunit.v3.Parallelization(MaxThreads = 2)]
