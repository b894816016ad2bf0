using System.Globalization;
using System.Net;

namespace Cairn.Cli.Serving;

/// <summary>Where a page is served.</summary>
/// <param name="Address">The address of this machine.</param>
/// <param name="Port">The port; 0 for any that is free.</param>
internal sealed record ListenAddress(IPAddress Address, int Port)
{
    /// <summary>Where a page is served when nothing is said.</summary>
    public static ListenAddress Default { get; } = new(IPAddress.Loopback, 8377);

    public bool IsLoopback => IPAddress.IsLoopback(Address);

    /// <summary>Reads <c>ADDRESS:PORT</c>; the address is one of numbers, <c>localhost</c>, or <c>*</c> for all of this machine.</summary>
    /// <exception cref="WrongUseException">It is none.</exception>
    public static ListenAddress Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon > 0 && int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port <= ushort.MaxValue)
        {
            switch (text[..colon])
            {
                case "localhost":
                    return new ListenAddress(IPAddress.Loopback, port);
                case "*":
                    return new ListenAddress(IPAddress.Any, port);
                case var name when IPAddress.TryParse(name, out IPAddress? address):
                    return new ListenAddress(address, port);
            }
        }
        throw new WrongUseException($"--listen {text} is no address and port. Give --listen 127.0.0.1:8377, or --listen '*:8377' for all addresses of this machine.");
    }

    /// <summary>The address for a browser.</summary>
    /// <param name="port">The port that is listened to.</param>
    public string Url(int port) => Address switch
    {
        { } any when any.Equals(IPAddress.Any) || any.Equals(IPAddress.IPv6Any) => $"http://{Dns.GetHostName()}:{port}/",
        { AddressFamily: System.Net.Sockets.AddressFamily.InterNetworkV6 } six => $"http://[{six}]:{port}/",
        var four => $"http://{four}:{port}/",
    };
}
