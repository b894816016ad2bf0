using System.Text;
using Cairn.Checkpoints;
using Cairn.Ranks;

namespace Cairn.Tests.Ranks;

/// <summary>
/// What every <see cref="IRankTransport"/> must make possible: small programs that all ranks of a job of four run together. The
/// same ones run on threads and, started by <c>mpirun</c>, on every MPI. A rank that stalls does so until the others have said on a channel of its own, aside, that
/// they gave up: no time that passes decides.
/// </summary>
internal static class RankGroupCases
{
    /// <summary>Ranks that the programs are written for.</summary>
    public const int Ranks = 4;

    // For calls that must time out: the ranks that take part come within it. For those that must not there is Long, which ends the test and not more.
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(3), Long = TimeSpan.FromMinutes(10);

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
        RankGroup aside = group.Channel(2);
        for (int late = 0; late < group.Size; late++)
        {
            Task? meeting = group.Rank == late ? null : Aside(() => group.Barrier("meet", Long));
            aside.Barrier("one is missing");
            (meeting?.IsCompleted ?? false).ShouldBeFalse();
            aside.Barrier("all have looked");
            if (group.Rank == late)
                group.Barrier("meet", Long);
            else
                meeting!.GetAwaiter().GetResult();
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
        Task background = Aside(() =>
        {
            for (int i = 0; i < 100; i++)
                saving.AllGather("saving", [(byte)(100 + i)]).ShouldAllBe(message => message[0] == 100 + i);
        });
        for (int i = 0; i < 100; i++)
            group.AllGather("training", [(byte)i]).ShouldAllBe(message => message[0] == i);
        background.Wait(Long).ShouldBeTrue();
    }

    private static void A_stalled_rank_is_named_by_all_and_the_group_goes_on(RankGroup group)
    {
        RankGroup aside = group.Channel(3);
        group.Barrier("start");
        if (group.Rank == 2)
            aside.Barrier("the others gave up");
        // The one that was late learns it at once.
        RankTimeoutException error = Should.Throw<RankTimeoutException>(() => group.Barrier("meet", group.Rank == 2 ? Long : Short));
        error.Missing.ShouldBe([2]);
        error.Rank.ShouldBe(group.Rank);
        error.Message.ShouldContain("meet");
        error.Message.ShouldContain("rank 2");
        if (group.Rank != 2)
            aside.Barrier("the others gave up");
        group.AllGather("go on", [(byte)group.Rank]).Select(message => message[0]).ShouldBe(new byte[] { 0, 1, 2, 3 });
    }

    private static void A_stalled_first_rank_is_named_too(RankGroup group)
    {
        RankGroup aside = group.Channel(4);
        group.Barrier("start");
        if (group.Rank == 0)
        {
            aside.Barrier("the others gave up");
            // The others came and left; what they sent is here, so for the first rank the call succeeds. Hence: decisions that matter go into the store.
            group.Barrier("meet", Short);
        }
        else
        {
            Should.Throw<RankTimeoutException>(() => group.Barrier("meet", Short)).Missing.ShouldBe([0]);
            aside.Barrier("the others gave up");
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
        error.Message.ShouldContain("zo 1");
        error.Message.ShouldContain("zo 2");
        RankGroup placed = group.In(new World(2, 1, 2, 2));
        placed.World.ShouldBe(new World(2, 1, 2, 2));
        placed.Coordinates.ShouldBe(new RankCoordinates(group.Rank % 2, 0, group.Rank / 2, group.Rank / 2));
        placed.Barrier("go on");
        group.Barrier("go on");
    }

    private static void Cancelling_the_first_rank_ends_the_call_everywhere(RankGroup group)
    {
        RankGroup aside = group.Channel(5);
        if (group.Rank == 3)
            aside.Barrier("the first rank was cancelled", Long);
        if (group.IsFirst)
            Cancelled(group);
        else
            Should.Throw<RankFailedException>(() => group.Barrier("meet", Long)).Rank.ShouldBe(0);
        if (group.Rank != 3)
            aside.Barrier("the first rank was cancelled", Long);
        group.Barrier("go on");
    }

    private static void Cancelling_another_rank_leaves_the_rest_alone(RankGroup group)
    {
        RankGroup aside = group.Channel(6);
        Task? meeting = group.Rank is 0 or 2 ? Aside(() => group.Barrier("meet", Long)) : null;
        if (group.Rank == 1)
            Cancelled(group);
        aside.Barrier("rank 1 was cancelled", Long);
        if (group.Rank == 3)
            group.Barrier("meet", Long);
        meeting?.GetAwaiter().GetResult();
        group.Barrier("go on");
    }

    // On a thread of its own: those of the pool come slowly when all of them wait.
    private static Task Aside(Action action) => Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    // While it waits, or before: another rank does not come until this was cancelled.
    private static void Cancelled(RankGroup group)
    {
        using CancellationTokenSource source = new();
        source.CancelAfter(20);
        Should.Throw<OperationCanceledException>(() => group.Barrier("meet", Long, source.Token));
    }
}
