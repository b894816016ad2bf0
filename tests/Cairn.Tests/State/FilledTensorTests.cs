using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.State;

public class FilledTensorTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.25)]
    public void Every_element_has_the_value(double value)
    {
        byte[] bytes = new FilledTensor(TensorType.F32, [3, 7], value).Bytes();
        for (int i = 0; i < 21; i++)
            BitConverter.ToSingle(bytes, i * 4).ShouldBe((float)value);
    }

    [Fact]
    public void Any_part_of_it_can_be_read()
    {
        var tensor = new FilledTensor(TensorType.F64, [40], -1.5);
        byte[] all = tensor.Bytes();
        for (int offset = 0; offset < 20; offset++)
        {
            for (int length = 0; length < 60; length++)
            {
                byte[] part = new byte[length];
                tensor.CopyTo(offset, part);
                part.ShouldBe(all.AsSpan(offset, length).ToArray());
            }
        }
        Should.Throw<ArgumentOutOfRangeException>(() => tensor.CopyTo(313, new byte[8]));
    }

    [Fact]
    public void Types_that_are_no_floats_can_be_zero()
    {
        new FilledTensor(TensorType.I32, [2], 0).Bytes().ShouldBe(new byte[8]);
        new FilledTensor(TensorType.C64, [0], 0).Bytes().ShouldBeEmpty();
        Should.Throw<ArgumentException>(() => new FilledTensor(TensorType.I32, [2], 1));
    }
}
