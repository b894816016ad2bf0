using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.Layouts;
using Cairn.Layouts.PyTorch;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Interop.Tests;

public sealed class DistributedWritingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cairn-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static readonly MemoryTensor Weight = Tensor(TensorType.F32, 7, 4), Norm = Tensor(TensorType.F32, 4), Embedding = Tensor(TensorType.F32, 5, 4);

    private static readonly (string Part, StateMap State)[] Training =
    [
        ("model", new StateMap { ["embed.weight"] = Embedding, ["layers.0.w"] = Weight, ["norm.weight"] = Norm }),
        ("optimizer", new StateMap
        {
            ["type"] = "AdamW",
            ["state"] = new StateMap { ["embed.weight"] = Moments(5, 4), ["layers.0.w"] = Moments(7, 4), ["norm.weight"] = Moments(4) },
            ["groups"] = new StateList([new StateMap
            {
                ["lr"] = 0.001, ["initial_lr"] = 0.003, ["betas"] = new StateList([0.9, 0.98]), ["eps"] = 1e-8, ["weight_decay"] = 0.01, ["amsgrad"] = false, ["maximize"] = false,
                ["params"] = new StateList(["embed.weight", "layers.0.w", "norm.weight"]),
            }]),
        }),
        ("context", new StateMap { ["step_count"] = 12L, ["name"] = "tiny", ["metrics"] = new StateList([0.5, 1L]) }),
    ];

    [Theory, InlineData(1), InlineData(3)]
    public void What_is_written_is_what_PyTorch_loads(int ranks)
    {
        StateMap odd = new()
        {
            ["half"] = Tensor(TensorType.BF16, 3), ["double"] = Tensor(TensorType.F64, 2, 2), ["bytes"] = Tensor(TensorType.U8, 4, 1), ["flags"] = new MemoryTensor(TensorType.Bool, [2], new byte[] { 1, 0 }), ["one"] = Tensor(TensorType.I64), ["none"] = Tensor(TensorType.F16, 0, 3),
            ["tied"] = Weight,
        };
        DistributedLayout layout = Write([.. Training, ("odd", odd)], DistributedForm.StateDict, ranks);
        var loaded = Python.Run("load_distributed.py", [_folder]).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)
            .ToDictionary(item => item[0].GetString()!, item => item[2], StringComparer.Ordinal);
        using var checkpoint = DistributedCheckpoint.Open(new LocalFileSystem(_folder), "");
        loaded.Keys.ShouldBe(checkpoint.Items.Select(item => item.Name));
        foreach (DistributedTensor tensor in checkpoint.Items.OfType<DistributedTensor>())
        {
            StateTensor expected = checkpoint.Tensor(tensor);
            byte[] bytes = new byte[expected.ByteLength];
            expected.CopyTo(0, bytes);
            JsonElement found = loaded[tensor.Name];
            found[0].GetString().ShouldBe($"torch.{TorchDtypes.NameOf(tensor.Type)}", tensor.Name);
            found[1].EnumerateArray().Select(size => size.GetInt64()).ShouldBe(tensor.Shape, tensor.Name);
            found[2].GetString().ShouldBe(Convert.ToHexStringLower(SHA256.HashData(bytes)), tensor.Name);
        }
        string Value(string name) => loaded[name].GetString()!;
        (Value("context.step_count"), Value("context.name"), Value("context.metrics"), Value("optimizer.param_groups.0.betas"), Value("optimizer.param_groups.0.fused")).ShouldBe(("12", "'tiny'", "[0.5, 1]", "(0.9, 0.98)", "None"));
        Value("optimizer.param_groups.0.params").ShouldBe("['embed.weight', 'layers.0.w', 'norm.weight']");
        layout.Files.Count.ShouldBe(ranks + 1);
    }

    // torch.distributed.checkpoint.state_dict and fully_shard came after PyTorch 1.13.
    [Theory, InlineData("state-dict", 3), InlineData("torchtitan", 2), InlineData("raw", 1), InlineData("torch", 1)]
    public void A_job_of_PyTorch_2_goes_on_from_what_was_written(string form, int ranks)
    {
        TorchLoad.RequireVersion2("get_state_dict and fully_shard");
        string file = Path.Combine(_folder, "whole.pt");
        StateMap optimizer = Training[1].State;
        TorchFileWriter.Plan(new TorchMap { ["model"] = TorchTree.FromState(Training[0].State), ["optimizer"] = TorchOptimizer.ToTorch(optimizer) }, "archive").SaveTo(file, TestContext.Current.CancellationToken);
        if (form == "raw")
        {
            using LoadedCheckpoint raw = CheckpointReader.Open(file);
            Write([("model", raw.Load("model")), ("optimizer", raw.Load("optimizer"))], DistributedForm.StateDict, 2);
        }
        else
        {
            Write(Training, form == "torchtitan" ? DistributedForm.TorchTitan : DistributedForm.StateDict, 4);
        }
        Python.Run("resume_distributed.py", [_folder, form, ranks.ToString(CultureInfo.InvariantCulture), file], TimeSpan.FromMinutes(5)).ShouldContain("are equal");
    }

    private DistributedLayout Write((string Part, StateMap State)[] parts, DistributedForm form, int ranks)
    {
        var layout = DistributedLayout.Plan(DistributedStateDict.Of(form, parts, 12, []), ranks, []);
        foreach (PlannedFile file in layout.Files)
            file.Content.SaveTo(Path.Combine(_folder, file.Name), TestContext.Current.CancellationToken);
        return layout;
    }

    private static StateMap Moments(params long[] shape) => new() { ["step"] = 12L, ["exp_avg"] = Tensor(TensorType.F32, shape), ["exp_avg_sq"] = Tensor(TensorType.F32, shape) };

    // Singles between 0 and 1, and bytes of other types that are numbers.
    private static MemoryTensor Tensor(TensorType type, params long[] shape)
    {
        byte[] bytes = new byte[type.ByteLength(shape)];
        var random = new Random(17 + shape.Length);
        if (type == TensorType.F32)
        {
            for (int i = 0; i < bytes.Length; i += 4)
                BitConverter.TryWriteBytes(bytes.AsSpan(i), random.NextSingle());
        }
        else
        {
            random.NextBytes(bytes);
        }
        return new MemoryTensor(type, shape, bytes);
    }
}
