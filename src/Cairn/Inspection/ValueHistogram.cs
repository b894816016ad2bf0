namespace Cairn.Inspection;

/// <summary>How often values lie in bins of equal width. An edge is at zero, where zero is inside.</summary>
/// <param name="Start">The lower edge of the first bin.</param>
/// <param name="Width">The width of each.</param>
/// <param name="Counts">Finite values in each bin; a value on an edge belongs to the bin above it.</param>
internal sealed record ValueHistogram(double Start, double Width, IReadOnlyList<long> Counts);
