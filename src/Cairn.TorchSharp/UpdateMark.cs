using System.Collections.Concurrent;
using System.Linq.Expressions;
using System.Reflection;
using TorchSharp;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>
/// Whether an optimizer has begun to update, at almost no cost: the sum of its step counters. One without them (SGD) is told by a few elements of its first and last
/// parameters where these lie in the machine's own memory; on a device reading them would hold the device up, and nothing is told.
/// </summary>
internal sealed class UpdateMark
{
    private const int Sampled = 3, Elements = 16;

    private static readonly ConcurrentDictionary<Type, Func<OptimizerState, long>?> Counters = new();

    private readonly OptimizerHelper _optimizer;
    private OptimizerState[] _states = [];
    private Func<OptimizerState, long>? _counter;
    private Parameter[] _sampled = [];

    public UpdateMark(OptimizerHelper optimizer)
    {
        _optimizer = optimizer;
        Refresh();
    }

    /// <summary>Looks anew at what the optimizer holds: its state is made and replaced during training.</summary>
    public void Refresh()
    {
        _states = [.. _optimizer.state_dict().State];
        _counter = _states.Length == 0 ? null : Counters.GetOrAdd(_states[0].GetType(), CounterOf);
        if (_counter is not null)
            return;
        Parameter[] all = [.. _optimizer.ParamGroups.Cast<ParamGroup>().SelectMany(group => group.Parameters)];
        _sampled = all.Length <= 2 * Sampled ? all : [.. all[..Sampled], .. all[^Sampled..]];
    }

    /// <summary>The mark.</summary>
    /// <exception cref="ObjectDisposedException">A parameter was disposed: nobody knows.</exception>
    public ulong Read()
    {
        ulong mark = 0;
        if (_counter is { } counter)
        {
            foreach (OptimizerState state in _states)
                mark += (ulong)counter(state);
            return mark;
        }
        foreach (Parameter parameter in _sampled)
        {
            ObjectDisposedException.ThrowIf(parameter.IsInvalid, parameter);
            if (parameter.device_type != DeviceType.CPU || !parameter.is_contiguous() || parameter.is_sparse)
                continue;
            foreach (byte value in Sample(parameter))
                mark = (mark * 1_099_511_628_211) ^ value;
        }
        return mark;
    }

    private static unsafe byte[] Sample(Parameter parameter)
    {
        long size = parameter.ElementSize, count = Math.Min(Elements, parameter.NumberOfElements);
        byte[] bytes = new byte[count * size];
        (nint address, _) = TorchTensor.MemoryOf(parameter);
        for (long i = 0; i < count; i++)
        {
            long element = i * parameter.NumberOfElements / count;
            new ReadOnlySpan<byte>((byte*)address + element * size, (int)size).CopyTo(bytes.AsSpan((int)(i * size)));
        }
        GC.KeepAlive(parameter);
        return bytes;
    }

    private static Func<OptimizerState, long>? CounterOf(Type type)
    {
        if (type.GetField("step", BindingFlags.Public | BindingFlags.Instance) is not { } field || field.FieldType != typeof(long))
            return null;
        ParameterExpression state = Expression.Parameter(typeof(OptimizerState));
        return Expression.Lambda<Func<OptimizerState, long>>(Expression.Field(Expression.Convert(state, type), field), state).Compile();
    }
}
