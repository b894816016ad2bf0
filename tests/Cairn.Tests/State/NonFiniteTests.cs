using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Tests.State;

public class NonFiniteTests
{
    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.NegativeInfinity)]
    public void A_complex_with_a_part_that_is_not_finite_is_found(double bad)
    {
        double[] doubles = [1, 2, 3, bad];
        Half[] halves = [(Half)1, (Half)2, (Half)bad, (Half)0];
        NonFinite.IsIn(MemoryMarshal.AsBytes<double>(doubles), TensorType.C128).ShouldBeTrue();
        NonFinite.IsIn(MemoryMarshal.AsBytes<Half>(halves), TensorType.C32).ShouldBeTrue();
        NonFinite.IsIn(MemoryMarshal.AsBytes(doubles.AsSpan(0, 2)), TensorType.C128).ShouldBeFalse();
        NonFinite.IsIn(MemoryMarshal.AsBytes(halves.AsSpan(0, 2)), TensorType.C32).ShouldBeFalse();
    }
}
