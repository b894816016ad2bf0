using System.Text;

namespace Cairn.State;

/// <summary>Text that UTF-8 can hold.</summary>
internal static class StrictText
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The text itself. JSON writers would replace half a surrogate pair silently, and two names could become one.</summary>
    public static string Of(string text)
    {
        try
        {
            _ = StrictUtf8.GetByteCount(text);
            return text;
        }
        catch (EncoderFallbackException e)
        {
            throw new ArgumentException($"The text '{text}' holds half of a surrogate pair and cannot be saved as UTF-8.", nameof(text), e);
        }
    }
}
