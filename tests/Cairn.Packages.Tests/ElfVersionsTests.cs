using Cairn.TorchSharp.Build;

namespace Cairn.Packages.Tests;

/// <summary>Requirements in ELF libraries, tried on this system's libstdc++, which asks for several versions of the C library.</summary>
public sealed class ElfVersionsTests
{
    private const string Required = "GLIBC_2.14";

    private readonly string? _file = OperatingSystem.IsLinux() ? SystemLibrary.Find() : null;

    [Fact]
    public void The_systems_library_names_the_versions_that_it_provides()
    {
        ElfVersions.Names(Library(), "GLIBCXX_3.4").ShouldBeTrue();
        ElfVersions.Names(Library(), "GLIBCXX_3.4.99").ShouldBeFalse();
    }

    [Fact]
    public void Only_the_flag_of_the_requirement_is_changed_and_only_once()
    {
        byte[] original = Library(), relaxed = [.. original];
        int hits = ElfVersions.Weaken(relaxed, Required);
        hits.ShouldBeGreaterThan(0, "this libstdc++ does not require what the test expects");
        Enumerable.Range(0, original.Length).Count(i => original[i] != relaxed[i]).ShouldBe(hits);

        byte[] again = [.. relaxed];
        ElfVersions.Weaken(again, Required).ShouldBe(hits);
        again.ShouldBe(relaxed);
    }

    [Fact]
    public void A_library_without_the_requirement_stays_as_it_is()
    {
        byte[] original = Library(), same = [.. original];
        ElfVersions.Weaken(same, "GLIBCXX_3.4.99").ShouldBe(0);
        same.ShouldBe(original);
    }

    [Fact]
    public void What_is_no_whole_library_is_refused()
    {
        Should.Throw<InvalidDataException>(() => ElfVersions.Weaken(new byte[100], Required));
        Should.Throw<InvalidDataException>(() => ElfVersions.Weaken(Library()[..5000], Required));
    }

    private byte[] Library()
    {
        Assert.SkipWhen(_file is null, "This system has no libstdc++.");
        return File.ReadAllBytes(_file!);
    }
}
