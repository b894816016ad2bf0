using Cairn.Stores;
using Cairn.Tests.Manager;

namespace Cairn.Tests.Stores;

public class RunStoresTests
{
    [Theory]
    [InlineData("s3://bucket/prefix", true)]
    [InlineData("S3://bucket", true)]
    [InlineData("gs://bucket", true)]
    [InlineData("boto3:s3://bucket.endpoint/prefix", true)]
    [InlineData("oss2:ali://bucket.endpoint/prefix", true)]
    [InlineData("volc:vc://bucket.endpoint/prefix", true)]
    [InlineData("runs/a", false)]
    [InlineData("/runs/a:b", false)]
    [InlineData("local:/runs/a", false)]
    [InlineData("lr:1e-4/seed:7", false)]
    [InlineData("runs/lr://7", false)]
    [InlineData("C:\\runs", false)]
    [InlineData("C://runs", false)]
    [InlineData("://a", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void An_address_begins_with_a_scheme_and_all_else_is_a_folder(string? text, bool isAddress) => RunStores.IsAddress(text).ShouldBe(isAddress);

    [Fact]
    public void A_store_is_opened_by_the_scheme_of_its_address_and_the_same_address_gives_the_same_store()
    {
        RunStores.Register("opened-by-scheme", static _ => new MemoryRunStore());
        RunStores.TryOpen("opened-by-scheme://a", out IRunStore? first).ShouldBeTrue();
        RunStores.TryOpen("opened-by-scheme://a", out IRunStore? again).ShouldBeTrue();
        RunStores.TryOpen("OPENED-BY-SCHEME://b", out IRunStore? other).ShouldBeTrue();
        again.ShouldBeSameAs(first);
        other.ShouldNotBeSameAs(first);
        RunStores.Register("opened-by-scheme", static _ => new MemoryRunStore());
        RunStores.TryOpen("opened-by-scheme://a", out IRunStore? anew).ShouldBeTrue();
        anew.ShouldNotBeSameAs(first);
        RunStores.TryOpen("not-registered://a", out _).ShouldBeFalse();
        RunStores.TryOpen("a/folder", out _).ShouldBeFalse();
        Should.Throw<ArgumentException>(() => RunStores.Register("c", static _ => new MemoryRunStore())).Message.ShouldContain("two letters");
    }

    [Theory]
    [InlineData("s3://bucket/prefix", "Add the package Cairn.S3")]
    [InlineData("boto3:s3://bucket.endpoint/prefix", "Add the package Cairn.S3")]
    [InlineData("not-registered://a", "Register a store for it")]
    public async Task An_address_that_nobody_registered_is_refused_and_never_taken_for_a_folder(string address, string what)
    {
        using var folder = new TemporaryFolder();
        (await Should.ThrowAsync<StoreException>(() => Start(new CheckpointOptions { Folder = address }))).Message.ShouldContain(what);
        (await Should.ThrowAsync<StoreException>(() => Start(new CheckpointOptions { Folder = folder["run"], ResumeFrom = address }))).Message.ShouldContain(what);
        Directory.GetDirectories(Environment.CurrentDirectory, address.Split(':')[0] + ":*").ShouldBeEmpty();
    }

    [Fact]
    public async Task A_stop_file_cannot_be_in_a_store() =>
        (await Should.ThrowAsync<Microsoft.Extensions.Options.OptionsValidationException>(() => Start(new CheckpointOptions { Folder = "run", StopFile = "s3://bucket/stop" }))).Message.ShouldContain("StopFile");

    [Theory]
    [InlineData("s3://bucket/a/500/", "s3://bucket/a/500", "500", "s3://bucket/a")]
    [InlineData("s3://bucket/a", "s3://bucket/a", "a", "s3://bucket")]
    [InlineData("boto3:s3://bucket.1.2.3.4/a", "boto3:s3://bucket.1.2.3.4/a", "a", "boto3:s3://bucket.1.2.3.4")]
    [InlineData("s3://bucket", "s3://bucket", "", null)]
    public void A_place_in_a_store_has_a_name_and_a_folder_as_a_path_has(string place, string full, string name, string? parent)
    {
        PlacePath.Full(place).ShouldBe(full);
        PlacePath.Name(full).ShouldBe(name);
        PlacePath.Parent(full).ShouldBe(parent);
    }

    private static Task<CheckpointManager> Start(CheckpointOptions options)
    {
        options.HandleSignals = false;
        return CheckpointManager.StartAsync(options, new TrainState(), [new WeightsPart()], cancellationToken: TestContext.Current.CancellationToken);
    }
}
