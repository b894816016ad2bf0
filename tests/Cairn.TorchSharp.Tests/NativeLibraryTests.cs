using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public class NativeLibraryTests
{
    [Fact]
    public void TorchSharp_loads_and_computes_on_this_system()
    {
        using Tensor sum = arange(5, dtype: float32).sum();
        sum.item<float>().ShouldBe(10f);
    }
}
