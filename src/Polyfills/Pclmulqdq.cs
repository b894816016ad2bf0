using System.Diagnostics.CodeAnalysis;
using System.Runtime.Intrinsics;

namespace Cairn.Formats.Torch.Zip;

/// <summary>.NET 10's carry-less products of 256 bits, of which .NET 8 knows nothing: they are said to be missing. Stands in front of the framework's type in this namespace.</summary>
internal static class Pclmulqdq
{
    public static Vector128<ulong> CarrylessMultiply(Vector128<ulong> left, Vector128<ulong> right, [ConstantExpected] byte control) =>
        System.Runtime.Intrinsics.X86.Pclmulqdq.CarrylessMultiply(left, right, control);

    public static class V256
    {
        public static bool IsSupported => false;

        public static Vector256<ulong> CarrylessMultiply(Vector256<ulong> left, Vector256<ulong> right, [ConstantExpected] byte control) => throw new PlatformNotSupportedException();
    }
}
