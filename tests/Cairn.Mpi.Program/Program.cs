using System.Globalization;
using Cairn.Mpi;
using Cairn.Mpi.Program;
using Cairn.Tests.Ranks;

// What a rank of a test's job does: mpirun -np 4 dotnet Cairn.Mpi.Program.dll <what>. Its exit code is 0 when all was as it must be.
string what = args[0];
try
{
    using MpiJob job = MpiJob.Start(new MpiOptions
    {
        Threads = args.Contains("serialized", StringComparer.Ordinal) ? MpiThreadLevel.Serialized : MpiThreadLevel.Multiple,
        StartTimeout = TimeSpan.FromMinutes(2),
    });
    switch (what)
    {
        case "groups":
            foreach ((string name, Action<Cairn.Ranks.RankGroup> run) in RankGroupCases.All)
            {
                if (job.Ranks.IsFirst)
                    Console.WriteLine(name);
                run(job.Ranks);
                job.Ranks.Barrier("next case");
            }
            break;
        case "collectives":
            CollectiveCases.RunAll(job);
            break;
        case "train":
            return await TrainingCase.RunAsync(job, run: args[1], steps: int.Parse(args[2], CultureInfo.InvariantCulture), how: args[3], logs: args[4]);
        case "neighbour":
            return await NeighbourCase.RunAsync(job, args);
        case "traffic":
            TrafficCase.Run(job, pieces: int.Parse(args[1], CultureInfo.InvariantCulture));
            break;
        default:
            JobCases.Run(what, job);
            break;
    }
    Console.WriteLine($"rank {job.Ranks.Rank} is well");
    return 0;
}
catch (Exception e)
{
    Console.WriteLine(e);
    return 1;
}
