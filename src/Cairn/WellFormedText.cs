using System.Text;

namespace Cairn;

/// <summary>
/// Text that any file can hold. A message that was cut off in the middle of a character, which ends in half of a surrogate pair, would else make every save of the counters fail.
/// </summary>
internal static class WellFormedText
{
    /// <summary>The text, with U+FFFD for each half of a surrogate pair.</summary>
    public static string Of(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
}
