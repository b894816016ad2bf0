using System.Buffers.Binary;
using Cairn.Formats.Torch;

namespace Cairn.Tests.Formats.Torch;

/// <summary>What only files of old versions of PyTorch have; the others come from PyTorch itself in the interop tests.</summary>
public class LegacyFileTests
{
    private const string Head = "\u0080\u0002\u008a\u000a\u006c\u00fc\u009c\u0046\u00f9\u0020\u006a\u00a8\u0050\u0019.\u0080\u0002M\u00e9\u0003.\u0080\u0002}.\u0080\u0002";

    private static TorchFile Open(string value, string keys, TorchReadOptions? options, params byte[][] storages)
    {
        byte[] bytes = [.. Pickles.Raw(Head + value + ".\u0080\u0002](" + keys + "e."), .. storages.SelectMany(storage =>
        {
            byte[] count = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(count, storage.Length / 4);
            return count.Concat(storage);
        })];
        var files = new FilesInMemory(shortRead: 3);
        files.Files["old.pt"] = bytes;
        return TorchFile.Open(files, "old.pt", options);
    }

    private static string Storage(string key, long count, string view) =>
        Pickles.Tuple(Pickles.Text("storage"), Pickles.Global("torch FloatStorage"), key, Pickles.Text("cpu"), Pickles.Int(count), view) + "Q";

    [Fact]
    public void Views_of_a_storage_share_it()
    {
        string view = Pickles.Tuple(Pickles.Text("v"), Pickles.Int(3), Pickles.Int(4));
        using TorchFile file = Open("](" + Pickles.Tensor(Storage(Pickles.Text("a"), 8, view), 1, [2], [1]) + Pickles.Tensor(Storage(Pickles.Text("a"), 8, "N"), 4, [2], [1]) + "e",
            Pickles.Text("a"), null, Pickles.Floats(8));
        TorchTensorValue[] tensors = [.. ((TorchList)file.Root).Cast<TorchTensorValue>()];
        tensors[0].Data.Bytes().ShouldBe(Pickles.Floats(8)[16..24]);
        tensors[0].Offset.ShouldBe(4);
        tensors[0].Storage.ShouldBeSameAs(tensors[1].Storage);
        tensors[0].Data.ShouldBeSameAs(tensors[1].Data);
        file.IsLegacy.ShouldBeTrue();
        file.HasChecksums.ShouldBeFalse();
        Should.Throw<CorruptTorchFileException>(() => Open(Pickles.Tensor(Storage(Pickles.Text("a"), 8, view), 3, [2], [1]), Pickles.Text("a"), null, Pickles.Floats(8))).Fault.ShouldBe(TorchFault.TensorBounds);
    }

    [Fact]
    public void Keys_may_be_numbers_and_texts_those_of_python_2()
    {
        string storage = "(U\u0007storagectorch\nFloatStorage\nK\u0007U\u0003cpuK\u0002NtQ";
        using TorchFile file = Open(storage, "K\u0007", null, Pickles.Floats(2));
        ((TorchTensorValue)file.Root).Data.Bytes().ShouldBe(Pickles.Floats(2));
        file.Storages.Keys.ShouldBe(["7"]);
    }

    [Fact]
    public void The_class_of_a_module_with_its_source_can_be_listed_on_request()
    {
        string module = Pickles.Tuple(Pickles.Text("module"), Pickles.Global("mine Net"), Pickles.Text("net.py"), Pickles.Text("class Net: …")) + "Q)\u0081";
        Should.Throw<ForbiddenPickleException>(() => Open(module, "", null)).Callable.ShouldBe("mine.Net");
        using TorchFile file = Open(module, "", new TorchReadOptions { AllowOpaque = true });
        file.Root.ShouldBeOfType<TorchObject>().Type.ToString().ShouldBe("mine.Net");
    }

    [Fact]
    public void Storages_lie_in_the_order_of_the_list()
    {
        using TorchFile file = Open("](" + Storage(Pickles.Text("a"), 1, "N") + Storage(Pickles.Text("b"), 2, "N") + "e", Pickles.Text("b") + Pickles.Text("a"), null, Pickles.Floats(2), BitConverter.GetBytes(7f));
        ((TorchTensorValue)((TorchList)file.Root)[0]).Data.Bytes().ShouldBe(BitConverter.GetBytes(7f));
        ((TorchTensorValue)((TorchList)file.Root)[1]).Data.Bytes().ShouldBe(Pickles.Floats(2));
    }
}
