using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Cairn.Stores;

/// <summary>
/// The stores that a run's folder can be in by its address alone, such as <c>s3://bucket/prefix</c>. An address begins with a word of at least two letters and <c>://</c>, or as InternLM
/// writes it with <c>boto3:</c>, <c>oss2:</c> or <c>volc:</c>; anything else is a folder of this machine, also where it has a colon. May be used from several threads.
/// </summary>
public static class RunStores
{
    private const string S3Package = "Cairn.S3";
    private static readonly string[] OfInternLm = ["boto3", "oss2", "volc"], OfS3 = ["s3", "boto3", "oss2", "ali", "volc", "vc"];

    private static readonly ConcurrentDictionary<string, Func<string, IRunStore>> Openers = new(StringComparer.OrdinalIgnoreCase);
    private static readonly ConcurrentDictionary<string, IRunStore> Opened = new(StringComparer.Ordinal);

    /// <summary>Makes a kind of store known to this process. A later registration of the same scheme takes the place of an earlier one, for what is opened from then on.</summary>
    /// <param name="scheme">What stands before the first colon of its addresses.</param>
    /// <param name="open">Opens the store at an address, and throws a <see cref="FormatException"/> when it is none.</param>
    /// <exception cref="ArgumentException">The scheme is no word of at least two letters, digits, <c>+</c>, <c>-</c> or dots.</exception>
    public static void Register(string scheme, Func<string, IRunStore> open)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        ArgumentNullException.ThrowIfNull(open);
        if (!IsScheme(scheme))
            throw new ArgumentException($"'{scheme}' cannot be a scheme: it must have at least two letters, digits, '+', '-' or dots.", nameof(scheme));
        Openers[scheme] = open;
        foreach (string address in Opened.Keys.Where(address => SchemeOf(address)!.Equals(scheme, StringComparison.OrdinalIgnoreCase)))
            Opened.TryRemove(address, out _);
    }

    /// <summary>Whether this is an address, of a store that is known or of one that is not.</summary>
    public static bool IsAddress([NotNullWhen(true)] string? text) => SchemeOf(text) is not null;

    /// <summary>Opens the store at an address; <see langword="false"/> when it is none, or its scheme is not registered. The same address gives the same store, for as long as the process lives.</summary>
    /// <exception cref="FormatException">The scheme is known, and the rest is wrong.</exception>
    public static bool TryOpen(string? address, [NotNullWhen(true)] out IRunStore? store)
    {
        store = null;
        if (SchemeOf(address) is not { } scheme || !Openers.TryGetValue(scheme, out Func<string, IRunStore>? open))
            return false;
        store = Opened.GetOrAdd(address!, open);
        return true;
    }

    /// <summary>Opens the store at an address.</summary>
    /// <exception cref="StoreException">Its scheme is not registered, or the rest is wrong; the message says what to do.</exception>
    internal static IRunStore Open(string address)
    {
        try
        {
            return TryOpen(address, out IRunStore? store) ? store : throw new StoreException(Unknown(address)) { Path = address };
        }
        catch (FormatException e)
        {
            throw new StoreException(e.Message, e) { Path = address };
        }
    }

    /// <summary>Whether an address can be opened.</summary>
    internal static bool IsKnown(string address) => SchemeOf(address) is { } scheme && Openers.ContainsKey(scheme);

    /// <summary>Says what to add so that an address can be opened.</summary>
    internal static string Unknown(string address)
    {
        string scheme = SchemeOf(address)!;
        return $"'{address}' lies in an object store ('{scheme}:'), which Cairn does not reach by itself. " + (OfS3.Contains(scheme, StringComparer.OrdinalIgnoreCase)
            ? $"Add the package {S3Package} and call S3RunStores.Register() at the program's start; or use a local folder."
            : "Register a store for it with RunStores.Register, or set Store; or use a local folder.");
    }

    private static string? SchemeOf(string? text)
    {
        int colon = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        if (colon < 0)
            return null;
        string scheme = text![..colon];
        bool isAddress = text.AsSpan(colon).StartsWith("://", StringComparison.Ordinal) ? IsScheme(scheme) : OfInternLm.Contains(scheme, StringComparer.OrdinalIgnoreCase);
        return isAddress ? scheme : null;
    }

    // One letter is a drive.
    private static bool IsScheme(string word) => word.Length > 1 && char.IsAsciiLetter(word[0]) && word.All(static letter => char.IsAsciiLetterOrDigit(letter) || letter is '+' or '-' or '.');
}
