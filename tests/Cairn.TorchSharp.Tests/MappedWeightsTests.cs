#pragma warning disable xUnit1051 // Each loads a few bytes.
using System.Runtime.CompilerServices;
using TorchSharp.Modules;
using static Cairn.TorchSharp.Tests.WeightsFolder;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>Weights that a module uses where they lie in a file.</summary>
public sealed class MappedWeightsTests : IDisposable
{
    static readonly LoadWeightsOptions Mapped = new() { Mapped = true };

    readonly WeightsFolder _folder = new();
    readonly Sequential _from = Network(1), _to = Network(2);

    [Theory]
    [InlineData("weights.pt")]
    [InlineData("weights.safetensors")]
    [InlineData("folder")]
    public void Nothing_is_read_and_the_values_are_those_of_the_file(string name)
    {
        _from.SaveWeights(_folder[name]);
        using Tensor input = randn(5, 3), expected = Answer(_from, input);
        LoadWeightsReport report = _to.LoadWeights(_folder[name], Mapped);
        Values(_to).ShouldBe(Values(_from));
        using Tensor answer = Answer(_to, input);
        answer.data<float>().ToArray().ShouldBe(expected.data<float>().ToArray());
        (report.MappedBytes, report.Bytes).ShouldBe((BytesOf(_from), 0));
        report.ToString().ShouldBe($"9 tensors loaded from {_folder[name]}, {report.MappedBytes:N0} bytes mapped and 0 read");
    }

    [Fact]
    public void Training_goes_on_with_the_same_parameters_and_leaves_the_file_as_it_was()
    {
        _from.SaveWeights(_folder["w.safetensors"]);
        byte[] before = File.ReadAllBytes(_folder["w.safetensors"]);
        using Tensor input = randn(5, 3);
        using optim.Optimizer own = optim.SGD(_from.parameters(), 0.1), mapped = optim.SGD(_to.parameters(), 0.1);
        _to.LoadWeights(_folder["w.safetensors"], Mapped);
        _to.parameters().ShouldAllBe(parameter => parameter.requires_grad && parameter.is_leaf);
        Train(_from, own, input);
        Train(_to, mapped, input);
        Values(_to).ShouldBe(Values(_from));
        Values(_to).ShouldNotBe(Values(Network(1)));
        File.ReadAllBytes(_folder["w.safetensors"]).ShouldBe(before);
    }

    [Fact]
    public void The_file_may_go_while_the_module_lives_and_its_memory_goes_with_the_module()
    {
        _from.SaveWeights(_folder["gone.pt"]);
        UseAndForget();
        for (int tries = 0; tries < 10 && IsMapped("gone.pt"); tries++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        IsMapped("gone.pt").ShouldBeFalse();

        [MethodImpl(MethodImplOptions.NoInlining)]
        void UseAndForget()
        {
            using Sequential module = Network(3);
            module.LoadWeights(_folder["gone.pt"], Mapped);
            IsMapped("gone.pt").ShouldBeTrue();
            File.Delete(_folder["gone.pt"]);
            Values(module).ShouldBe(Values(_from));
        }
    }

    [Fact]
    public void What_is_not_in_a_file_as_the_module_has_it_is_read()
    {
        // Cast, or in a file that is packed.
        _from.SaveWeights(_folder["half.pt"], new SaveWeightsOptions { Type = State.TensorType.F16 });
        LoadWeightsReport cast = _to.LoadWeights(_folder["half.pt"], new LoadWeightsOptions { Mapped = true, Cast = true });
        (cast.MappedBytes, cast.Bytes).ShouldBe((sizeof(long), BytesOf(_from) - sizeof(long)), "but for the number of batches");
        _from.SaveWeights(_folder["w.pt"]);
        using (FileStream packed = File.Create(_folder["w.pt.gz"]))
        using (var gzip = new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionLevel.Fastest))
            gzip.Write(File.ReadAllBytes(_folder["w.pt"]));
        LoadWeightsReport unpacked = _to.LoadWeights(_folder["w.pt.gz"], Mapped);
        (unpacked.MappedBytes, unpacked.Bytes).ShouldBe((0, BytesOf(_from)));
        Values(_to).ShouldBe(Values(_from));
    }

    [Fact]
    public void Tied_weights_stay_tied_and_what_shares_memory_otherwise_keeps_it()
    {
        using Sequential tied = Tied(), other = Tied();
        tied.SaveWeights(_folder["tied.pt"]);
        other.LoadWeights(_folder["tied.pt"], Mapped).MappedBytes.ShouldBePositive();
        Values(other).ShouldBe(Values(tied));
        using (no_grad())
            other.parameters().First().fill_(7);
        other.named_parameters().Single(entry => entry.name == "second.weight").parameter.data<float>().ShouldAllBe(value => value == 7);

        // Two halves of one stretch of memory.
        using Tensor flat = zeros(24);
        using Sequential halves = nn.Sequential(("first", nn.Linear(3, 4, hasBias: false)), ("second", nn.Linear(4, 3, hasBias: false)));
        using (no_grad())
        {
            halves.named_parameters().First().parameter.set_(flat.slice(0, 0, 12, 1).view(4, 3));
            halves.named_parameters().Last().parameter.set_(flat.slice(0, 12, 24, 1).view(3, 4));
        }
        using Sequential values = nn.Sequential(("first", nn.Linear(3, 4, hasBias: false)), ("second", nn.Linear(4, 3, hasBias: false)));
        values.SaveWeights(_folder["halves.pt"]);
        halves.LoadWeights(_folder["halves.pt"], Mapped).MappedBytes.ShouldBe(0);
        flat.data<float>().ToArray().ShouldBe(values.parameters().SelectMany(parameter => parameter.data<float>().ToArray()));
    }

    [Fact]
    public async Task Of_a_run_checkpoints_are_mapped_and_snapshots_read()
    {
        var train = new TrainState();
        var options = new CheckpointOptions { Folder = _folder["run"], CheckpointEvery = 2, SnapshotEvery = 1, HandleSignals = false, Asynchronous = false };
        await using (CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [new ModulePart(_from)], cancellationToken: TestContext.Current.CancellationToken))
        {
            for (int i = 0; i < 3; i++)
            {
                train.CompleteStep();
                checkpoints.AfterBatch();
            }
            checkpoints.Complete();
        }
        LoadWeightsReport checkpoint = _to.LoadWeights(Path.Combine(_folder["run"], "2"), Mapped);
        (checkpoint.MappedBytes, checkpoint.Bytes).ShouldBe((BytesOf(_from), 0));
        string snapshot = Directory.GetDirectories(Path.Combine(_folder["run"], "snapshot")).Order(StringComparer.Ordinal).First();
        LoadWeightsReport read = _to.LoadWeights(snapshot, Mapped);
        (read.MappedBytes, read.Bytes).ShouldBe((0, BytesOf(_from)));
        Values(_to).ShouldBe(Values(_from));
    }

    [Fact]
    public void A_loading_that_is_refused_changes_nothing()
    {
        _from.SaveWeights(_folder["w.pt"], new SaveWeightsOptions { Leave = ["second.bias"] });
        Dictionary<string, string> before = Values(_to);
        Should.Throw<StateMismatchException>(() => _to.LoadWeights(_folder["w.pt"], Mapped));
        Values(_to).ShouldBe(before);
    }

    static Sequential Tied()
    {
        Sequential made = nn.Sequential(("first", nn.Linear(4, 4, hasBias: false)), ("second", nn.Linear(4, 4, hasBias: false)));
        using (no_grad())
            made.named_parameters().Last().parameter.set_(made.named_parameters().First().parameter);
        return made;
    }

    static Tensor Answer(Sequential module, Tensor input)
    {
        using IDisposable quiet = no_grad();
        module.eval();
        return module.call(input);
    }

    static void Train(Sequential module, optim.Optimizer optimizer, Tensor input)
    {
        module.train();
        for (int i = 0; i < 2; i++)
        {
            optimizer.zero_grad();
            using Tensor loss = module.call(input).square().mean();
            loss.backward();
            optimizer.step();
        }
    }

    static long BytesOf(nn.Module module) => Values(module).Values.Sum(digits => digits.Length / 2);

    static bool IsMapped(string name) => File.ReadAllText("/proc/self/maps").Contains(name, StringComparison.Ordinal);

    public void Dispose()
    {
        _from.Dispose();
        _to.Dispose();
        _folder.Dispose();
    }
}
