using Cairn.Formats;
using Cairn.Stores;

namespace Cairn.Tests.Formats;

public class FileSignatureTests
{
    private const string LegacyLine = "L119547037146038801333356L\n.";

    [Theory]
    [InlineData("\u0006\0\0\0\0\0\0\0{}    ", nameof(FileFormat.Safetensors))]
    [InlineData("\u0006\0\0\0\0\0\0\0\t\n{}\r ", nameof(FileFormat.Safetensors))]
    [InlineData("\u0080\u0002\u008a\nl\u00fc\u009cF\u00f9 j\u00a8P\u0019.", nameof(FileFormat.TorchLegacy))]
    [InlineData("\u0080\u0004\u0095\r\0\0\0\0\0\0\0\u008a\nl\u00fc\u009cF\u00f9 j\u00a8P\u0019.", nameof(FileFormat.TorchLegacy))]
    [InlineData(LegacyLine, nameof(FileFormat.TorchLegacy))]
    [InlineData("\u0080\u0003}q\0.", nameof(FileFormat.Pickle))]
    [InlineData("}q\0X\u0001\0\0\0aK\u0001s.", nameof(FileFormat.Pickle))]
    [InlineData("(dp0\nVa\np1\nI1\ns.", nameof(FileFormat.Pickle))]
    [InlineData("ccollections\nOrderedDict\nq\0)Rq\u0001.", nameof(FileFormat.Pickle))]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", nameof(FileFormat.Pointer))]
    [InlineData("../.git/annex/objects/x/SHA256E-s1--0", nameof(FileFormat.Pointer))]
    [InlineData("<!DOCTYPE html><html>", nameof(FileFormat.Page))]
    [InlineData("\n  <HTML>", nameof(FileFormat.Page))]
    [InlineData("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", nameof(FileFormat.Page))]
    [InlineData("{\"error\": \"not found\"}", nameof(FileFormat.Json))]
    [InlineData("Invalid username or password.", nameof(FileFormat.Text))]
    [InlineData("", nameof(FileFormat.Empty))]
    [InlineData("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", nameof(FileFormat.Zeros))]
    [InlineData("\u0089PNG\r\n\u001a\n", nameof(FileFormat.Other))]
    [InlineData("\u001f\u008b\u0008\0", nameof(FileFormat.Other))]
    [InlineData("\u0082\u00b7\u000e\u00ee", nameof(FileFormat.Unknown))]
    [InlineData("PK", nameof(FileFormat.Text))]
    public void A_file_is_what_its_bytes_say(string bytes, string kind) => Of(Torch.Pickles.Raw(bytes)).Kind.ToString().ShouldBe(kind);

    [Fact]
    public void A_long_text_that_is_cut_within_a_character_is_text() =>
        Of(System.Text.Encoding.UTF8.GetBytes("a" + new string('ä', 10_000))).Kind.ShouldBe(FileFormat.Text);

    [Fact]
    public void An_archive_of_torch_save_is_told_from_other_archives()
    {
        Of(Archive("archive/data.pkl")).Kind.ShouldBe(FileFormat.TorchZip);
        Of(Archive("a.npy")).Kind.ShouldBe(FileFormat.Other);
        Of(Archive("readme.txt")).Kind.ShouldBe(FileFormat.Other);
    }

    private static byte[] Archive(string name)
    {
        using var stream = new MemoryStream();
        using (var zip = new System.IO.Compression.ZipArchive(stream, System.IO.Compression.ZipArchiveMode.Create, leaveOpen: true))
            zip.CreateEntry(name).Open().Dispose();
        return stream.ToArray();
    }

    private static FileSignature Of(byte[] bytes)
    {
        var files = new FilesInMemory();
        files.Files["f"] = bytes;
        using IReadableFile file = files.OpenRead("f");
        return FileSignature.Of(file);
    }
}
