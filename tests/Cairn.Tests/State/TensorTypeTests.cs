using Cairn.State;

namespace Cairn.Tests.State;

public class TensorTypeTests
{
    [Theory]
    [InlineData(TensorType.F32, new long[] { 4, 8 }, 128)]
    [InlineData(TensorType.BF16, new long[] { 3 }, 6)]
    [InlineData(TensorType.F4, new long[] { 2, 3 }, 3)]
    [InlineData(TensorType.I64, new long[0], 8)]
    [InlineData(TensorType.Bool, new long[] { 5, 0 }, 0)]
    [InlineData(TensorType.C32, new long[] { 3 }, 12)]
    [InlineData(TensorType.C128, new long[] { 3 }, 48)]
    public void A_dense_tensor_takes_the_bits_of_its_elements(TensorType type, long[] shape, long bytes) =>
        type.ByteLength(shape).ShouldBe(bytes);

    [Fact]
    public void A_sub_byte_tensor_must_fill_whole_bytes() =>
        Should.Throw<ArgumentException>(() => TensorType.F4.ByteLength([3]));

    [Fact]
    public void A_size_beyond_64_bits_is_refused() =>
        Should.Throw<OverflowException>(() => TensorType.F64.ByteLength([long.MaxValue, 2]));

    [Fact]
    public void A_tensor_of_other_bytes_than_its_shape_is_refused() =>
        Should.Throw<ArgumentException>(() => new MemoryTensor(TensorType.F32, [2], new byte[7]));
}
