using System.Reflection;
using Cairn.State;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>Whatever TorchSharp offers as an optimizer, found by reflection so that a new one is not forgotten.</summary>
public sealed class EveryOptimizerTests
{
    // Its history lives in native code, and no function gives it out.
    static readonly string[] Refused = ["LBFGS"];

    public static TheoryData<string> Names => [.. typeof(optim).GetMethods(BindingFlags.Public | BindingFlags.Static)
        .Where(method => method.ReturnType.IsSubclassOf(typeof(optim.Optimizer))).Select(method => method.Name).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void It_goes_on_bit_for_bit_or_is_refused_by_name(string name)
    {
        const int Before = 7, After = 6;
        using Run whole = new(1, module => Make(name, module), withPart: false);
        if (Refused.Contains(name, StringComparer.Ordinal))
        {
            Should.Throw<CheckpointException>(() => new OptimizerPart(whole.Optimizer, whole.Model)).Message.ShouldStartWith($"The state of {name} cannot be saved");
            return;
        }
        whole.Train(0, Before);
        StateMap model = new ModulePart(whole.Model).Capture().Copy(), optimizer = new OptimizerPart(whole.Optimizer, whole.Model).Capture().Copy();
        whole.Train(Before, After);

        using Run resumed = new(2, module => Make(name, module), withPart: false);
        new ModulePart(resumed.Model).Restore(model);
        new OptimizerPart(resumed.Optimizer, resumed.Model).Restore(optimizer);
        resumed.Train(Before, After);
        new ModulePart(resumed.Model).Capture().ShouldHoldTheSameAs(new ModulePart(whole.Model).Capture());
        new OptimizerPart(resumed.Optimizer, resumed.Model).Capture().ShouldHoldTheSameAs(new OptimizerPart(whole.Optimizer, whole.Model).Capture());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Its_file_of_PyTorch_is_loaded_and_saved_again_the_same(string name)
    {
        if (Refused.Contains(name, StringComparer.Ordinal))
            return;
        using var folder = new WeightsFolder();
        using Run whole = new(1, module => Make(name, module)), resumed = new(2, module => Make(name, module));
        whole.Train(0, 5);
        whole.Optimizer.SaveState(folder["optimizer.pt"], whole.Model, cancellationToken: TestContext.Current.CancellationToken);
        whole.Optimizer.SaveState(folder["keyed.pt"], whole.Model, "optimizer_b", TestContext.Current.CancellationToken);
        whole.Model.SaveWeights(folder["model.pt"], cancellationToken: TestContext.Current.CancellationToken);

        resumed.Model.LoadWeights(folder["model.pt"], cancellationToken: TestContext.Current.CancellationToken);
        resumed.Optimizer.LoadState(folder["keyed.pt"], resumed.Model, "optimizer_b");
        // The name of the archive is in it.
        Directory.CreateDirectory(folder["b"]);
        resumed.Optimizer.SaveState(Path.Combine(folder["b"], "optimizer.pt"), resumed.Model, cancellationToken: TestContext.Current.CancellationToken);
        File.ReadAllBytes(Path.Combine(folder["b"], "optimizer.pt")).AsSpan().SequenceEqual(File.ReadAllBytes(folder["optimizer.pt"])).ShouldBeTrue();
    }

    [Fact]
    public void Another_optimizers_file_is_refused_and_nothing_is_changed()
    {
        using var folder = new WeightsFolder();
        using Run from = new(1, module => Make("SGD", module)), to = new(2, module => Make("AdamW", module));
        from.Train(0, 2);
        to.Train(0, 2);
        StateMap before = to.Part.Capture().Copy();
        from.Optimizer.SaveState(folder["sgd.pt"], from.Model, cancellationToken: TestContext.Current.CancellationToken);
        Should.Throw<StateMismatchException>(() => to.Optimizer.LoadState(folder["sgd.pt"], to.Model));
        to.Part.Capture().ShouldHoldTheSameAs(before);
        Should.Throw<CheckpointException>(() => to.Optimizer.LoadState(folder["sgd.pt"], to.Model, "optimizer_b")).Message.ShouldContain("no 'optimizer_b'; it has state, param_groups");
    }

    // The overload of parameters; what has no default is a learning rate.
    static optim.Optimizer Make(string name, nn.Module module)
    {
        MethodInfo maker = typeof(optim).GetMethods(BindingFlags.Public | BindingFlags.Static).First(method => method.Name == name && method.GetParameters()[0].ParameterType == typeof(IEnumerable<global::TorchSharp.Modules.Parameter>));
        object?[] arguments = [module.parameters(), .. maker.GetParameters().Skip(1).Select(parameter => parameter.HasDefaultValue ? parameter.DefaultValue : 0.05)];
        return (optim.Optimizer)maker.Invoke(null, arguments)!;
    }
}
