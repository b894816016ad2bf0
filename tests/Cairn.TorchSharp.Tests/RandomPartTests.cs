using Cairn.State;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class RandomPartTests
{
    [Fact]
    public void The_numbers_after_a_restore_are_the_numbers_after_the_save()
    {
        using Generator own = new(5);
        RandomPart part = new(new Dictionary<string, Generator>(StringComparer.Ordinal) { ["data"] = own });
        manual_seed(3);
        randn(7).Dispose();
        randn([3], generator: own).Dispose();
        StateMap saved = part.Capture().Copy();
        byte[] expected = Draw(own);
        manual_seed(99);
        Draw(own).ShouldNotBe(expected);
        part.Restore(saved);
        Draw(own).ShouldBe(expected);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(5055)]
    [InlineData(5064)]
    public void A_state_of_the_wrong_size_is_refused_before_torch_sees_it(int size)
    {
        StateMap saved = new() { { "cpu", new MemoryTensor(TensorType.U8, [size], new byte[size]) }, { "generators", new StateMap() } };
        byte[] before = get_rng_state().Bytes();
        Should.Throw<StateMismatchException>(() => new RandomPart().Restore(saved)).Message.ShouldContain("expected U8[5056]");
        get_rng_state().Bytes().ShouldBe(before);
    }

    [Fact]
    public void A_state_of_the_right_size_with_impossible_content_is_refused_before_torch_sees_it()
    {
        StateMap saved = new() { { "cpu", new MemoryTensor(TensorType.U8, [5056], new byte[5056]) }, { "generators", new StateMap() } };
        Should.Throw<StateMismatchException>(() => new RandomPart().Restore(saved)).Message.ShouldContain("Mersenne Twister");
    }

    [Fact]
    public void Generators_that_are_missing_or_too_many_are_listed()
    {
        using Generator own = new(5);
        RandomPart with = new(new Dictionary<string, Generator>(StringComparer.Ordinal) { ["data"] = own });
        Should.Throw<StateMismatchException>(() => Copies.Carry(new RandomPart(), with)).Problems.Missing.ShouldBe(["generators.data"]);
        Should.Throw<StateMismatchException>(() => Copies.Carry(with, new RandomPart())).Problems.Unexpected.ShouldBe(["generators.data"]);
    }

    static byte[] Draw(Generator own) => [.. randn(5).Bytes(), .. rand(5).Bytes(), .. randn([5], generator: own).Bytes()];
}
