using System.Collections.Concurrent;
using System.Reflection;
using Cairn.State;
using Cairn.Stores;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>
/// Makes tensors of memory that is mapped. TorchSharp can make a tensor over memory that it does not own, and lets nobody call it: it is found by reflection, with its parameters, so that a TorchSharp that has it
/// otherwise is not called at all.
/// </summary>
internal static unsafe class MappedMemory
{
    private static readonly ConcurrentDictionary<nint, PrivateMapping> Living = [];
    // libtorch keeps the pointer to it.
    private static Delegate? s_free;
    private static readonly MethodInfo? New = Find();

    /// <summary>
    /// A tensor that lies there, and keeps the mapping for as long as libtorch uses its memory; <see langword="null"/> where this TorchSharp cannot make it, libtorch would copy it, or a tensor lies there already.
    /// </summary>
    /// <param name="mapping">The memory.</param>
    /// <param name="address">Where in it the first byte is.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Sizes of the dimensions.</param>
    public static torch.Tensor? TensorAt(PrivateMapping mapping, nint address, TensorType type, long[] shape)
    {
        if (New is null || !Living.TryAdd(address, mapping))
            return null;
        mapping.Hold();
        sbyte dtype = (sbyte)type.ToScalarType();
        nint handle = 0;
        try
        {
            fixed (long* sizes = shape)
                handle = (nint)New.Invoke(null, [address, s_free, (nint)sizes, shape.Length, dtype, dtype, (int)DeviceType.CPU, -1, false])!;
            if (handle == 0)
                torch.CheckForErrors();
        }
        finally
        {
            if (handle == 0)
                Free(address);
        }
        torch.Tensor tensor = torch.Tensor.UnsafeCreateTensor(handle);
        if (TorchTensor.AddressOf(tensor) == address)
            return tensor;
        tensor.Dispose();
        return null;
    }

    private static MethodInfo? Find()
    {
        Assembly library = typeof(torch).Assembly;
        if (library.GetType("TorchSharp.PInvoke.NativeMethods")?.GetMethod("THSTensor_new", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public) is not { } found
            || library.GetType("TorchSharp.PInvoke.GCHandleDeleter") is not { } deleter)
            return null;
        // Data, what frees it, sizes and how many, the type of the data and of the tensor, the device's type and number, whether it takes gradients.
        Type[] known = [typeof(nint), deleter, typeof(nint), typeof(int), typeof(sbyte), typeof(sbyte), typeof(int), typeof(int), typeof(bool)];
        if (!found.GetParameters().Select(parameter => parameter.ParameterType).SequenceEqual(known) || found.ReturnType != typeof(nint))
            return null;
        s_free = Delegate.CreateDelegate(deleter, typeof(MappedMemory), nameof(Free), ignoreCase: false, throwOnBindFailure: false);
        return s_free is null ? null : found;
    }

    // On whichever thread the last tensor goes.
    private static void Free(nint address)
    {
        if (Living.TryRemove(address, out PrivateMapping? mapping))
            mapping.Release();
    }
}
