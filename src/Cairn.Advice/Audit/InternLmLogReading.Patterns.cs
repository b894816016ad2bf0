using System.Text.RegularExpressions;

namespace Cairn.Advice.Audit;

// The messages that are looked for.
internal sealed partial class InternLmLogReading
{
    private const int MostMilliseconds = 1000;

    [GeneratedRegex(@"^=+Resume training from `(?<path>[^`]*)`", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, MostMilliseconds)]
    private static partial Regex ResumeLine();

    [GeneratedRegex(@"^Found latest ckpt .*, step: (?<step>\d+)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, MostMilliseconds)]
    private static partial Regex FoundLine();

    [GeneratedRegex(@"^Saving checkpoint to `(?<folder>[^`]*)` at batch count:(?<step>\d+)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, MostMilliseconds)]
    private static partial Regex SavingLine();

    [GeneratedRegex(@"^Step: (?<step>\d+), rank 0 save ckpt use (?<seconds>\d+(\.\d+)?) s", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, MostMilliseconds)]
    private static partial Regex SavedLine();

    [GeneratedRegex(@"^Skip batch count:`(?<batch>\d+)`", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, MostMilliseconds)]
    private static partial Regex SkipListLine();

    [GeneratedRegex(@"skip parameter update at step (?<batch>\d+)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, MostMilliseconds)]
    private static partial Regex SkipUpdateLine();

    [GeneratedRegex(@"^(?<key>is enable save ckpt|save_ckpt_folder|checkpoint_every): (?<value>.*)$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, MostMilliseconds)]
    private static partial Regex ConfigLine();

    [GeneratedRegex(@"[A-Z][a-z]{2}\d\d_\d\d[-.:]\d\d[-.:]\d\d", RegexOptions.CultureInvariant, MostMilliseconds)]
    private static partial Regex LaunchTime();
}
