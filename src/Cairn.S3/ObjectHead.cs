namespace Cairn.S3;

/// <summary>What is known of an object without reading it.</summary>
/// <param name="Length">Its bytes.</param>
/// <param name="ETag">Its version.</param>
/// <param name="Write">The write that made it, where that was one of this library.</param>
internal sealed record ObjectHead(long Length, string ETag, string? Write);
