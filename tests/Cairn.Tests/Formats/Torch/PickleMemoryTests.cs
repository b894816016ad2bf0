using Cairn.Formats.Torch;

namespace Cairn.Tests.Formats.Torch;

/// <summary>The densest pickles: those whose bytes become the largest values.</summary>
public class PickleMemoryTests
{
    private const int Length = 1 << 18;
    private const int BytesPerByte = 88;

    [Theory]
    [InlineData("empty dicts", "}")]
    [InlineData("empty lists", "]")]
    [InlineData("empty tuples", ")")]
    [InlineData("tuples of a list", "]\u0085")]
    [InlineData("lists of None", "]Na")]
    [InlineData("dicts of one entry", "}NNs")]
    [InlineData("dicts of a dict", "}N}s")]
    [InlineData("memoized lists", "]\u0094")]
    [InlineData("small numbers", "M\u0001\u0002")]
    [InlineData("floats", "G?\u00f0\0\0\0\0\0\0")]
    [InlineData("empty texts", "\u008c\0")]
    [InlineData("texts", "\u008c\u0001a")]
    [InlineData("empty bytes", "C\0")]
    [InlineData("sets", "\u008f(NN\u0090")]
    [InlineData("marks and tuples", "(t")]
    [InlineData("objects", "h\u0000)R")]
    public void Values_take_a_bounded_multiple_of_their_bytes(string what, string repeated)
    {
        byte[] pickle = Pickles.Raw("ctorch\ndevice\nq\u00000(" + string.Concat(Enumerable.Repeat(repeated, Length / repeated.Length)) + "l.");
        var files = new FilesInMemory();
        files.Files["p.pkl"] = pickle;
        using Cairn.Stores.IReadableFile file = files.OpenRead("p.pkl");
        long before = GC.GetAllocatedBytesForCurrentThread();
        TorchValue root = TorchFile.ReadPickle(file, "p.pkl");
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        ((TorchList)root).Count.ShouldBe(Length / repeated.Length, what);
        // The machine's stack is pooled; the first pickle of a process makes it.
        allocated.ShouldBeLessThan((long)pickle.Length * BytesPerByte + (24 << 20), what);
        before = GC.GetAllocatedBytesForCurrentThread();
        TorchFile.ReadPickle(file, "p.pkl");
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan((long)pickle.Length * BytesPerByte + (1 << 20), what);
    }
}
