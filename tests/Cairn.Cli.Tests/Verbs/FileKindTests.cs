using System.Text;
using System.Text.Json;
using Cairn.Cli.Tests.Samples;

namespace Cairn.Cli.Tests.Verbs;

/// <summary>What a file is, its bytes say, to every verb alike.</summary>
public sealed class FileKindTests : IDisposable
{
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(".bin")]
    [InlineData(".ckpt")]
    [InlineData(".pt")]
    [InlineData(".pth")]
    [InlineData(".safetensors")]
    [InlineData(".pth.tar")]
    [InlineData("")]
    public void Garbage_is_bad_whatever_its_name(string ending)
    {
        byte[] junk = new byte[5000];
        new Random(5).NextBytes(junk);
        File.WriteAllBytes(_folder["x" + ending], junk);
        Result result = CairnCall.Run("verify", _folder["x" + ending]);
        result.Code.ShouldBe(ExitCode.FoundBad, result.Out + result.Error);
        CairnCall.Run("show", _folder["x" + ending]).Code.ShouldBe(ExitCode.CouldNot);
    }

    [Theory]
    [InlineData("Git LFS pointer", Pointer)]
    [InlineData("git lfs pull", Pointer)]
    [InlineData("web page", "<!DOCTYPE html><html><body>404</body></html>")]
    [InlineData("JSON", "{\"error\": \"Repository not found\"}")]
    [InlineData("text", "Access denied.\n")]
    [InlineData("empty", "")]
    [InlineData("zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]
    [InlineData("PNG", "\u0089PNG\r\n\u001a\n0000")]
    [InlineData("was cut", "PK\u0003\u0004")]
    public void What_a_file_is_instead_is_said_by_every_verb(string said, string bytes)
    {
        File.WriteAllBytes(_folder["x.bin"], Encoding.Latin1.GetBytes(bytes));
        Result verified = CairnCall.Run("verify", _folder["x.bin"]);
        verified.Code.ShouldBe(ExitCode.FoundBad);
        verified.Out.ShouldContain(said);
        foreach (string verb in new[] { "show", "stats" })
        {
            Result result = CairnCall.Run(verb, _folder["x.bin"]);
            result.Code.ShouldBe(ExitCode.CouldNot);
            result.Error.ShouldContain(said);
        }
        CairnCall.Run("ls", _folder.Path).Out.ShouldContain("incomplete");
    }

    [Fact]
    public void A_pointer_in_the_place_of_an_optimizer_is_found()
    {
        SampleFolders.Trainer(_folder["trainer"]);
        File.Delete(_folder["trainer/checkpoint-500/optimizer.pt"]);
        File.WriteAllText(_folder["trainer/checkpoint-500/optimizer.bin"], Pointer);
        Result result = CairnCall.Run("verify", _folder["trainer/checkpoint-500"]);
        result.Code.ShouldBe(ExitCode.FoundBad);
        result.Out.ShouldContain("optimizer.bin: it is a Git LFS pointer");
        File.WriteAllText(_folder["trainer/checkpoint-1000/config.json"], "{\"hidden_size\": 16, \"lay");
        CairnCall.Run("verify", _folder["trainer/checkpoint-1000"]).Out.ShouldContain("config.json: the JSON ends early");
    }

    [Theory]
    [InlineData("m.pth.tar")]
    [InlineData("optimizer.pt")]
    [InlineData("noending")]
    [InlineData("weights.json")]
    public void A_good_file_is_good_whatever_its_name(string name)
    {
        SampleFolders.Torch(_folder[name], SampleState.Model(1));
        foreach (string verb in new[] { "verify", "show", "stats", "ls" })
            CairnCall.Run(verb, _folder[name]).Code.ShouldBe(ExitCode.Good, verb);
    }

    [Fact]
    public void Files_without_an_ending_are_listed_with_their_folder()
    {
        SampleFolders.Torch(_folder["noending"], SampleState.Model(1));
        File.WriteAllText(_folder["notes.txt"], "hello");
        Result result = CairnCall.Run("ls", _folder.Path);
        result.Out.ShouldContain("noending");
        result.Out.ShouldNotContain("notes.txt");
    }

    [Fact]
    public void Values_that_are_not_read_are_named_and_the_file_is_intact()
    {
        // {"model": {}, "args": myapp.Config(), (1, 2): 3}
        File.WriteAllBytes(_folder["p.bin"], Encoding.Latin1.GetBytes(
            "\u0080\u0002}(X\u0005\0\0\0model}X\u0004\0\0\0argscmyapp\nConfig\n)\u0081K\u0001K\u0002\u0086K\u0003u."));
        Result result = CairnCall.Run("verify", _folder["p.bin"]);
        result.Code.ShouldBe(ExitCode.Good, result.Out + result.Error);
        result.Out.ShouldContain("args (an object of myapp.Config)");
        JsonElement row = JsonDocument.Parse(CairnCall.Run("verify", _folder["p.bin"], "--json").Out).RootElement.GetProperty("copies")[0];
        row.GetProperty("verdict").GetString().ShouldBe("intact");
        row.GetProperty("unread").GetArrayLength().ShouldBe(2);
    }

    [Fact]
    public void A_pickle_of_any_protocol_is_shown()
    {
        foreach ((string name, string bytes) in new[] { ("0", "(dp0\nVa\np1\nI1\ns."), ("1", "}q\0X\u0001\0\0\0aK\u0001s."), ("2", "\u0080\u0002}X\u0001\0\0\0aK\u0001s."), ("4", "\u0080\u0004\u0095\u0008\0\0\0\0\0\0\0}\u008c\u0001aK\u0001s.") })
        {
            File.WriteAllBytes(_folder[name], Encoding.Latin1.GetBytes(bytes));
            Result result = CairnCall.Run("show", _folder[name]);
            result.Code.ShouldBe(ExitCode.Good, result.Error);
        }
    }

    [Fact]
    public void What_may_not_be_read_is_unreadable_and_not_damaged()
    {
        Assert.SkipWhen(Environment.IsPrivilegedProcess, "The superuser reads everything.");
        SampleFolders.Torch(_folder["x.pt"], SampleState.Model(1));
        File.SetUnixFileMode(_folder["x.pt"], UnixFileMode.None);
        Result result = CairnCall.Run("verify", _folder["x.pt"], "--json");
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Out.ShouldContain("\"verdict\": \"unreadable\"");
    }

    [Fact]
    public void A_header_with_a_million_dimensions_ends_no_verb()
    {
        string ones = string.Join(',', Enumerable.Repeat("1", 1_000_000));
        string shards = $$$"""{\"w\":{\"global\":[{{{ones}}}],\"offset\":[{{{ones.Replace('1', '0')}}}],\"shape\":[{{{ones}}}],\"start\":0}}""";
        Write("shape.safetensors", $$$"""{"w":{"dtype":"U8","shape":[{{{ones}}}],"data_offsets":[0,1]}}""");
        Write("shards.safetensors", $$$"""{"__metadata__":{"cairn.version":"1","cairn.shards":"{{{shards}}}"},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""");
        foreach (string name in new[] { "shape.safetensors", "shards.safetensors" })
        {
            CairnCall.Run("verify", _folder[name]).Code.ShouldBe(ExitCode.FoundBad);
            foreach (string verb in new[] { "show", "stats" })
            {
                Result result = CairnCall.Run(verb, _folder[name]);
                result.Code.ShouldBe(ExitCode.CouldNot);
                result.Error.ShouldContain("dimensions");
                result.Error.Length.ShouldBeLessThan(2000);
            }
        }
    }

    private void Write(string name, string header)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(_folder[name], [.. BitConverter.GetBytes((long)json.Length), .. json, 0]);
    }
}
