using Cairn.State;

namespace Cairn.Advice.Tests;

public class StateSizeTests
{
    [Theory]
    [InlineData(TensorType.BF16, OptimizerKind.AdamW, 14)]
    [InlineData(TensorType.F16, OptimizerKind.Momentum, 10)]
    [InlineData(TensorType.F32, OptimizerKind.Adam, 12)]
    [InlineData(TensorType.F32, OptimizerKind.Sgd, 4)]
    [InlineData(TensorType.BF16, OptimizerKind.None, 2)]
    [InlineData(TensorType.F8E4M3, OptimizerKind.AdamW, 13)]
    public void Bytes_for_each_parameter_are_those_of_weights_master_copy_and_moments(TensorType type, OptimizerKind optimizer, long bytes) =>
        StateSize.Of(1000, type, optimizer).ShouldBe(bytes * 1000);

    [Fact]
    public void A_size_beyond_64_bits_is_an_error() =>
        Should.Throw<OverflowException>(() => StateSize.Of(long.MaxValue, TensorType.F64, OptimizerKind.AdamW));
}
