using System.Runtime.InteropServices;

namespace Cairn.TensorBoard;

/// <summary>A point of a curve.</summary>
/// <param name="Tag">The curve's name; what stands before its first slash is the group in which it is shown.</param>
/// <param name="Step">Steps made.</param>
/// <param name="Time">When it was measured.</param>
/// <param name="Value">The value, of which TensorBoard keeps single precision; may be no number.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Scalar(string Tag, long Step, DateTimeOffset Time, double Value);
