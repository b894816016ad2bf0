using Cairn.Conversion;
using Cairn.Layouts;
using Cairn.Opening;

namespace Cairn.Interop.Tests;

/// <summary>What a conversion writes is loaded by the system's PyTorch, whichever that is.</summary>
public sealed class ConversionToTorchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ConversionToTorchTests() => Python.Require();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Random_generators_go_on_from_a_conversion_of_their_states()
    {
        Python.Run("generators.py", ["save", _folder.Path]);
        using (LoadedCheckpoint source = CheckpointReader.Open(Path.Combine(_folder.Path, "generators.pt")))
        {
            CheckpointConversion.Plan(source, Path.Combine(_folder.Path, "converted.pt"), new ConversionOptions { Layout = "torch" }).Run(cancellationToken: TestContext.Current.CancellationToken)
                .Notes.ShouldHaveSingleItem().ShouldContain("2 arrays of unsigned integers became lists of numbers");
        }
        Python.Run("generators.py", ["load", _folder.Path]).ShouldNotBeEmpty();
    }
}
