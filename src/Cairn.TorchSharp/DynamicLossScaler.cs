using Cairn.State;
using TorchSharp;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>
/// Loss scaling for half-precision training, with the semantics of <c>torch.amp.GradScaler</c>: the loss is multiplied so that
/// small gradients survive; a batch whose gradients overflowed is skipped and the scale is cut; after
/// <see cref="GrowthInterval"/> good batches in a row it grows.
/// <code>scaler.Scale(loss).backward(); stepped = scaler.Step(optimizer); scaler.Update();</code>
/// Save between <see cref="Update"/> and the next backward pass. Of InternEvo's <c>DynamicGradScaler</c> the scale and its good batches are taken over.
/// Not for several threads at once.
/// </summary>
public sealed class DynamicLossScaler : ISettingsPart
{
    private const string EvoScale = "_scale", EvoSteps = "_growth_step";

    // Gradients already unscaled since the last update, and whether each one overflowed.
    private readonly Dictionary<nint, bool> _unscaled = [];
    private bool _overflowReported;

    /// <summary>A scaler; the defaults are PyTorch's.</summary>
    /// <param name="initialScale">Scale at the start; positive and finite.</param>
    /// <param name="growthFactor">Factor of growth; more than 1.</param>
    /// <param name="backoffFactor">Factor after an overflow; between 0 and 1.</param>
    /// <param name="growthInterval">Good batches in a row before growth; at least 1.</param>
    /// <param name="name">The part's name.</param>
    public DynamicLossScaler(double initialScale = 65536, double growthFactor = 2, double backoffFactor = 0.5, long growthInterval = 2000, string name = "scaler")
    {
        ArgumentOutOfRangeException.ThrowIfEqual(IsScale(initialScale), false, nameof(initialScale));
        ArgumentOutOfRangeException.ThrowIfEqual(IsGrowth(growthFactor), false, nameof(growthFactor));
        ArgumentOutOfRangeException.ThrowIfEqual(IsBackoff(backoffFactor), false, nameof(backoffFactor));
        ArgumentOutOfRangeException.ThrowIfLessThan(growthInterval, 1);
        (CurrentScale, GrowthFactor, BackoffFactor, GrowthInterval, Name) = (initialScale, growthFactor, backoffFactor, growthInterval, name);
    }

    /// <inheritdoc/>
    public string Name { get; }
    /// <summary>What the loss is multiplied by.</summary>
    public double CurrentScale { get; private set; }
    /// <summary>Factor of growth.</summary>
    public double GrowthFactor { get; private set; }
    /// <summary>Factor after an overflow.</summary>
    public double BackoffFactor { get; private set; }
    /// <summary>Good batches in a row before growth.</summary>
    public long GrowthInterval { get; private set; }
    /// <summary>Good batches since the last change of the scale.</summary>
    public long GrowthTracker { get; private set; }
    /// <summary>Whether an infinite or NaN gradient was found since the last <see cref="Update"/>.</summary>
    public bool FoundInf => _overflowReported || _unscaled.ContainsValue(true);

    /// <summary>The loss times the scale; call backward on it.</summary>
    public torch.Tensor Scale(torch.Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        return loss * CurrentScale;
    }

    /// <summary>Divides the gradients by the scale in place, for example before clipping; at most once for each parameter and batch.</summary>
    /// <returns>Whether one of them is infinite or NaN.</returns>
    /// <exception cref="InvalidOperationException">A parameter was unscaled before in this batch.</exception>
    public bool Unscale(IEnumerable<Parameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        List<Parameter> fresh = [.. parameters.DistinctBy(parameter => parameter.Handle)];
        if (fresh.Exists(parameter => _unscaled.ContainsKey(parameter.Handle)))
            throw new InvalidOperationException("These gradients were already unscaled since the last Update(). Call Unscale once a batch, and Update at its end.");
        bool found = false;
        foreach (Parameter parameter in fresh)
            found |= UnscaleOne(parameter);
        return found;
    }

    /// <summary>
    /// Reports an overflow that another rank found. Where ranks hold different gradients, reduce <see cref="FoundInf"/> over
    /// them after <see cref="Unscale"/> and call this on every rank when any found one, so that all skip the same batch.
    /// </summary>
    public void ReportOverflow() => _overflowReported = true;

    /// <summary>Unscales what is not unscaled yet, and lets the optimizer step unless one of its gradients overflowed.</summary>
    /// <returns>Whether it stepped; <see langword="false"/> for a skipped batch.</returns>
    public bool Step(torch.optim.Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        bool found = _overflowReported;
        foreach (Parameter parameter in optimizer.parameters())
            found |= _unscaled.TryGetValue(parameter.Handle, out bool infinite) ? infinite : UnscaleOne(parameter);
        if (found)
            return false;
        using torch.Tensor? loss = optimizer.step();
        return true;
    }

    /// <summary>Cuts the scale after an overflow, or grows it after enough good batches. Once at the end of every batch, after all <see cref="Step"/>s.</summary>
    /// <exception cref="InvalidOperationException">Nothing was unscaled since the last update.</exception>
    public void Update()
    {
        if (_unscaled.Count == 0 && !_overflowReported)
            throw new InvalidOperationException("No gradients were checked since the last Update(). Call Step or Unscale first.");
        if (FoundInf)
        {
            CurrentScale = (float)(CurrentScale * BackoffFactor);
            GrowthTracker = 0;
        }
        else if (++GrowthTracker >= GrowthInterval)
        {
            // PyTorch keeps the scale in a float and does not let it grow to infinity.
            float grown = (float)(CurrentScale * GrowthFactor);
            CurrentScale = float.IsFinite(grown) ? grown : CurrentScale;
            GrowthTracker = 0;
        }
        _unscaled.Clear();
        _overflowReported = false;
    }

    /// <inheritdoc/>
    public StateMap Capture() => new()
    {
        { "scale", CurrentScale },
        { "growth_factor", GrowthFactor },
        { "backoff_factor", BackoffFactor },
        { "growth_interval", GrowthInterval },
        { "growth_tracker", GrowthTracker },
    };

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        if (saved.ContainsKey(EvoScale))
        {
            saved.CheckScalar<double>(EvoScale, EvoScale, problems, IsScale, "a positive finite number");
            saved.CheckScalar<long>(EvoSteps, EvoSteps, problems, tracker => tracker >= 0, "0 or more");
            return;
        }
        saved.CheckScalar<double>("scale", "scale", problems, IsScale, "a positive finite number");
        saved.CheckScalar<double>("growth_factor", "growth_factor", problems, IsGrowth, "a finite number over 1");
        saved.CheckScalar<double>("backoff_factor", "backoff_factor", problems, IsBackoff, "a number between 0 and 1");
        saved.CheckScalar<long>("growth_interval", "growth_interval", problems, interval => interval >= 1, "1 or more");
        saved.CheckScalar<long>("growth_tracker", "growth_tracker", problems, tracker => tracker >= 0, "0 or more");
        saved.CheckUnexpected(name => name is "scale" or "growth_factor" or "backoff_factor" or "growth_interval" or "growth_tracker", "", problems);
    }

    /// <inheritdoc/>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        if (saved.ContainsKey(EvoScale))
        {
            // InternEvo saves its counts only; how they change is the live scaler's business.
            (CurrentScale, GrowthTracker) = (saved.Read<double>(EvoScale), saved.Read<long>(EvoSteps));
        }
        else
        {
            CurrentScale = saved.Read<double>("scale");
            GrowthFactor = saved.Read<double>("growth_factor");
            BackoffFactor = saved.Read<double>("backoff_factor");
            GrowthInterval = saved.Read<long>("growth_interval");
            GrowthTracker = saved.Read<long>("growth_tracker");
        }
        _unscaled.Clear();
        _overflowReported = false;
    }

    /// <inheritdoc/>
    public StateMap WithProgramSettings(StateMap saved, ICollection<SettingDifference> differences) =>
        ProgramSettings.In(Name, "", saved, Capture(), name => name is "growth_factor" or "backoff_factor" or "growth_interval", differences);

    private static bool IsScale(double value) => value > 0 && double.IsFinite(value);

    private static bool IsGrowth(double value) => value > 1 && double.IsFinite(value);

    private static bool IsBackoff(double value) => value is > 0 and < 1;

    private bool UnscaleOne(Parameter parameter)
    {
        using torch.Tensor? gradient = parameter.grad;
        bool infinite = false;
        if (gradient is not null)
        {
            using IDisposable quiet = torch.no_grad();
            using torch.Tensor finite = gradient.isfinite();
            using torch.Tensor all = finite.all();
            infinite = !all.item<bool>();
            gradient.mul_(1 / CurrentScale);
        }
        _unscaled.Add(parameter.Handle, infinite);
        return infinite;
    }
}
