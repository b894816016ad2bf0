using Cairn.Advice.Python;
using CsCheck;

namespace Cairn.Advice.Tests;

public class PythonConfigTests
{
    [Fact]
    public void A_configuration_as_InternLM_ships_them_is_read()
    {
        PythonConfig config = PythonConfig.Parse("""
            JOB_NAME = "7b_train"
            import os
            # a comment with dict(x=1)
            SAVE = "local:llm_" 'ckpts'
            EVERY = 50
            ckpt = dict(
                enable_save_ckpt=False,  # enable ckpt save.
                save_ckpt_folder=SAVE,
                load_ckpt_info=dict(path=SAVE + "/49", content=("model",), ckpt_type="internevo"),
                checkpoint_every=EVERY,
                oss_snapshot_freq=int(EVERY / 2),
                async_upload_tmp_folder=None,
            )
            data = {"total_steps": 5 * 10**4, 'rampup': float("inf"), "ratio": 8 / 3, "neg": -3 // 2}
            """);
        config.Problems.ShouldBeEmpty();
        IReadOnlyDictionary<string, string?> ckpt = config.Section("ckpt")!;
        ckpt["save_ckpt_folder"].ShouldBe("local:llm_ckpts");
        ckpt["enable_save_ckpt"].ShouldBe("false");
        ckpt["load_ckpt_info:path"].ShouldBe("local:llm_ckpts/49");
        ckpt["load_ckpt_info:content:0"].ShouldBe("model");
        (ckpt["checkpoint_every"], ckpt["oss_snapshot_freq"], ckpt["async_upload_tmp_folder"]).ShouldBe(("50", "25", null));
        IReadOnlyDictionary<string, string?> data = config.Section("data")!;
        (data["total_steps"], data["rampup"], data["ratio"], data["neg"]).ShouldBe(("50000", "inf", "2.6666666666666665", "-2"));
    }

    [Fact]
    public void What_would_have_to_be_executed_is_left_out_and_named_by_its_line()
    {
        PythonConfig config = PythonConfig.Parse("""
            import os
            IP = os.environ["BOTO3_IP"]
            FOLDER = f"boto3:s3://bucket.{IP}/x"
            PLAIN = f"no field"
            if True:
                EVERY = 3
            ckpt = dict(save_ckpt_folder=FOLDER, checkpoint_every=open("/etc/passwd"), oss_snapshot_freq=10 if IP else 20,
                stop_file_path=PLAIN)
            """);
        config.Problems.Count.ShouldBe(6);
        config.Problems.ShouldContain(problem => problem.StartsWith("line 2: IP is not read"));
        config.Problems.ShouldContain(problem => problem == "line 3: FOLDER is not read: a formatted string is made by running the program");
        config.Problems.ShouldContain(problem => problem == "line 5: what begins with 'if' is not read");
        config.Problems.ShouldContain(problem => problem.StartsWith("line 7: checkpoint_every is not read"));
        config.Section("ckpt")!.ShouldHaveSingleItem().ShouldBe(KeyValuePair.Create<string, string?>("stop_file_path", "no field"));
        config.Names.ShouldNotContain(name => name == "EVERY");
    }

    [Theory]
    [InlineData("x = [[[[", "a ']' is missing")]
    [InlineData("x = 1 +", "x is not read: it ends in the middle")]
    [InlineData("x = 2 ** 2 ** 99", "x is not read")]
    [InlineData("x = 1 / 0", "x is not read")]
    [InlineData("x = [1, y()]", "a value in a list is not read")]
    [InlineData("x = 9223372036854775807 // -1 % 0", "x is not read")]
    public void What_is_broken_is_reported_and_never_thrown(string source, string says) =>
        PythonConfig.Parse(source).Problems.ShouldContain(problem => problem.Contains(says), customMessage: source);

    [Fact]
    public void Nothing_grows_without_bound()
    {
        string doubling = "a = [1]\n" + string.Concat(Enumerable.Repeat("a = a + a\n", 60));
        PythonConfig.Parse(doubling).Problems.ShouldNotBeEmpty();
        string laughs = "d = dict(x=1)\n" + string.Concat(Enumerable.Repeat("d = dict(p=d, q=d, r=d)\n", 40)) + "ckpt = d\n";
        PythonConfig.Parse(laughs).Section("ckpt")!.Count.ShouldBeLessThanOrEqualTo(10_000);
        PythonConfig.Parse("x = " + new string('(', 100_000)).Problems.ShouldNotBeEmpty();
        PythonConfig.Parse("x = 2" + string.Concat(Enumerable.Repeat("**2", 100_000))).Problems.ShouldNotBeEmpty();
    }

    [Fact]
    public void No_text_whatever_throws()
    {
        string[] pieces = ["ckpt=dict(a=1", "'''", "\\\n", ")", "[", "x=", "f'{", "\n", "-", "**", "{'a':", "0x", "1e", ",", ";", "(", "}", "int(", " ", "'a'", "x"];
        Gen.OneOf(Gen.String, Gen.Int[0, pieces.Length - 1].Select(i => pieces[i])).Array[0, 30].Select(string.Concat).Sample(source =>
        {
            PythonConfig.Parse(source).Section("ckpt");
        }, iter: 5000);
    }
}
