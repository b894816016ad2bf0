using System.Diagnostics;
using System.Text;
using Cairn.Ranks;

namespace Cairn.Tests.Ranks;

/// <summary>
/// What every <see cref="IRankTransport"/> must make possible: small programs that all ranks of a job of four run together. The
/// same ones run on threads and, started by <c>mpirun</c>, on every MPI.
/// </summary>
internal static class RankGroupCases
{
    /// <summary>Ranks that the programs are written for.</summary>
    public const int Ranks = 4;

    private static readonly TimeSpan Short = TimeSpan.FromSeconds(1);

    public static IReadOnlyDictionary<string, Action<RankGroup>> All { get; } = new Dictionary<string, Action<RankGroup>>(StringComparer.Ordinal)
    {
        [nameof(Everybody_gets_everybodys_message_in_the_order_of_ranks)] = Everybody_gets_everybodys_message_in_the_order_of_ranks,
        [nameof(Messages_may_be_empty_or_large)] = Messages_may_be_empty_or_large,
        [nameof(Any_rank_can_speak_to_all)] = Any_rank_can_speak_to_all,
        [nameof(Nobody_leaves_a_barrier_before_the_last_has_come)] = Nobody_leaves_a_barrier_before_the_last_has_come,
        [nameof(The_first_rank_alone_decides)] = The_first_rank_alone_decides,
        [nameof(A_thousand_calls_keep_their_order)] = A_thousand_calls_keep_their_order,
        [nameof(Channels_do_not_mix)] = Channels_do_not_mix,
        [nameof(A_stalled_rank_is_named_by_all_and_the_group_goes_on)] = A_stalled_rank_is_named_by_all_and_the_group_goes_on,
        [nameof(A_stalled_first_rank_is_named_too)] = A_stalled_first_rank_is_named_too,
        [nameof(The_error_of_one_rank_reaches_all)] = The_error_of_one_rank_reaches_all,
        [nameof(The_error_of_the_first_rank_reaches_all)] = The_error_of_the_first_rank_reaches_all,
        [nameof(A_decision_that_fails_fails_everywhere)] = A_decision_that_fails_fails_everywhere,
        [nameof(A_rank_at_another_call_is_found_out)] = A_rank_at_another_call_is_found_out,
        [nameof(Ranks_that_see_other_worlds_are_found_out)] = Ranks_that_see_other_worlds_are_found_out,
        [nameof(Cancelling_the_first_rank_ends_the_call_everywhere)] = Cancelling_the_first_rank_ends_the_call_everywhere,
        [nameof(Cancelling_another_rank_leaves_the_rest_alone)] = Cancelling_another_rank_leaves_the_rest_alone,
    };

    private static void Everybody_gets_everybodys_message_in_the_order_of_ranks(RankGroup group)
    {
        byte[][] all = group.AllGather("names", Encoding.UTF8.GetBytes($"rank {group.Rank}"));
        all.Select(Encoding.UTF8.GetString).ShouldBe(["rank 0", "rank 1", "rank 2", "rank 3"]);
    }

    private static void Messages_may_be_empty_or_large(RankGroup group)
    {
        foreach (int length in new[] { 0, 1, 5_000, 70_000, 3_000_000 })
        {
            byte[] mine = new byte[length * group.Rank];
            Array.Fill(mine, (byte)(group.Rank + 1));
            byte[][] all = group.AllGather($"{length} bytes", mine);
            for (int rank = 0; rank < group.Size; rank++)
            {
                all[rank].Length.ShouldBe(length * rank);
                all[rank].AsSpan().IndexOfAnyExcept((byte)(rank + 1)).ShouldBe(-1);
            }
        }
    }

    private static void Any_rank_can_speak_to_all(RankGroup group)
    {
        for (int from = 0; from < group.Size; from++)
            group.Broadcast("who speaks", [(byte)group.Rank], from).ShouldBe([(byte)from]);
    }

    private static void Nobody_leaves_a_barrier_before_the_last_has_come(RankGroup group)
    {
        for (int late = 0; late < group.Size; late++)
        {
            group.Barrier("start");
            long start = Stopwatch.GetTimestamp();
            if (group.Rank == late)
                Pause(0.3);
            group.Barrier("meet");
            // The ranks left the first barrier within moments of each other.
            Stopwatch.GetElapsedTime(start).ShouldBeGreaterThan(TimeSpan.FromSeconds(0.2));
        }
    }

    private static void The_first_rank_alone_decides(RankGroup group)
    {
        bool asked = false;
        byte[] decision = group.Agree("largest", [(byte)(10 * group.Rank)], parts =>
        {
            asked = true;
            return [parts.Max(part => part.Span[0])];
        });
        decision.ShouldBe([30]);
        asked.ShouldBe(group.IsFirst);
    }

    private static void A_thousand_calls_keep_their_order(RankGroup group)
    {
        for (int i = 0; i < 1000; i++)
        {
            byte[][] all = group.AllGather("count", [(byte)i, (byte)group.Rank]);
            for (int rank = 0; rank < group.Size; rank++)
                all[rank].ShouldBe([(byte)i, (byte)rank]);
        }
    }

    private static void Channels_do_not_mix(RankGroup group)
    {
        RankGroup saving = group.Channel(1);
        Task background = Task.Run(() =>
        {
            for (int i = 0; i < 100; i++)
                saving.AllGather("saving", [(byte)(100 + i)]).ShouldAllBe(message => message[0] == 100 + i);
        });
        for (int i = 0; i < 100; i++)
            group.AllGather("training", [(byte)i]).ShouldAllBe(message => message[0] == i);
        background.Wait(TimeSpan.FromMinutes(1)).ShouldBeTrue();
    }

    private static void A_stalled_rank_is_named_by_all_and_the_group_goes_on(RankGroup group)
    {
        group.Barrier("start");
        if (group.Rank == 2)
            Pause(2);
        long start = Stopwatch.GetTimestamp();
        RankTimeoutException error = Should.Throw<RankTimeoutException>(() => group.Barrier("meet", Short));
        error.Missing.ShouldBe([2]);
        error.Rank.ShouldBe(group.Rank);
        error.Message.ShouldContain("meet");
        error.Message.ShouldContain("rank 2");
        // The one that was late learns it at once; nobody waits much longer than allowed.
        Stopwatch.GetElapsedTime(start).ShouldBeLessThan(group.Rank == 2 ? Short / 2 : Short * 2);
        group.AllGather("go on", [(byte)group.Rank]).Select(message => message[0]).ShouldBe(new byte[] { 0, 1, 2, 3 });
    }

    private static void A_stalled_first_rank_is_named_too(RankGroup group)
    {
        group.Barrier("start");
        if (group.Rank == 0)
        {
            Pause(2);
            // The others came and left; what they sent is here, so for the first rank the call succeeds. Hence: decisions that matter go into the store.
            group.Barrier("meet", Short);
        }
        else
        {
            Should.Throw<RankTimeoutException>(() => group.Barrier("meet", Short)).Missing.ShouldBe([0]);
        }
        group.AllGather("go on", [(byte)group.Rank]).Select(message => message[0]).ShouldBe(new byte[] { 0, 1, 2, 3 });
    }

    private static void The_error_of_one_rank_reaches_all(RankGroup group) => FailingRank(group, 3);

    private static void The_error_of_the_first_rank_reaches_all(RankGroup group) => FailingRank(group, 0);

    private static void FailingRank(RankGroup group, int failing)
    {
        if (group.Rank == failing)
        {
            group.Fail("write files", "the disk is full");
        }
        else
        {
            RankFailedException error = Should.Throw<RankFailedException>(() => group.Barrier("write files"));
            error.Rank.ShouldBe(failing);
            error.Error.ShouldBe("the disk is full");
            error.Message.ShouldContain("write files");
        }
        group.Barrier("go on");
    }

    private static void A_decision_that_fails_fails_everywhere(RankGroup group)
    {
        Action call = () => group.Agree("decide", [], _ => throw new InvalidDataException("no checkpoint is whole"));
        if (group.IsFirst)
            Should.Throw<InvalidDataException>(call);
        else
            Should.Throw<RankFailedException>(call).Error.ShouldBe("no checkpoint is whole");
        group.Barrier("go on");
    }

    private static void A_rank_at_another_call_is_found_out(RankGroup group)
    {
        RankOrderException error = Should.Throw<RankOrderException>(() => group.Barrier(group.Rank == 1 ? "step 8" : "step 7"));
        error.Message.ShouldContain("step 7");
        error.Message.ShouldContain("step 8");
        error.Rank.ShouldBe(group.Rank == 1 ? 0 : 1);
        group.Barrier("go on");
    }

    private static void Ranks_that_see_other_worlds_are_found_out(RankGroup group)
    {
        World mine = group.Rank == 3 ? new World(2, 1, 2, 1) : new World(2, 1, 2, 2);
        CheckpointException error = Should.Throw<CheckpointException>(() => group.In(mine));
        error.Message.ShouldContain("Zo = 1");
        error.Message.ShouldContain("Zo = 2");
        RankGroup placed = group.In(new World(2, 1, 2, 2));
        placed.World.ShouldBe(new World(2, 1, 2, 2));
        placed.Coordinates.ShouldBe(new RankCoordinates(group.Rank % 2, 0, group.Rank / 2, group.Rank / 2));
        placed.Barrier("go on");
        group.Barrier("go on");
    }

    private static void Cancelling_the_first_rank_ends_the_call_everywhere(RankGroup group)
    {
        using CancellationTokenSource source = new();
        if (group.Rank == 3)
            Pause(3);
        if (group.IsFirst)
        {
            source.CancelAfter(200);
            Should.Throw<OperationCanceledException>(() => group.Barrier("meet", cancellationToken: source.Token));
        }
        else
        {
            Should.Throw<RankFailedException>(() => group.Barrier("meet")).Rank.ShouldBe(0);
        }
        group.Barrier("go on");
    }

    private static void Cancelling_another_rank_leaves_the_rest_alone(RankGroup group)
    {
        using CancellationTokenSource source = new();
        if (group.Rank == 3)
            Pause(3);
        if (group.Rank == 1)
        {
            source.CancelAfter(200);
            Should.Throw<OperationCanceledException>(() => group.Barrier("meet", cancellationToken: source.Token));
        }
        else
        {
            group.Barrier("meet");
        }
        group.Barrier("go on");
    }

    private static void Pause(double seconds)
    {
        using ManualResetEventSlim never = new();
        never.Wait(TimeSpan.FromSeconds(seconds));
    }
}
