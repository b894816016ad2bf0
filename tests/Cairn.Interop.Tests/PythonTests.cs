namespace Cairn.Interop.Tests;

public class PythonTests
{
    [Fact]
    public void Scripts_run_with_pytorch() =>
        Python.Run("version.py", ["1", "2"]).ShouldStartWith("torch ");

    [Fact]
    public void A_script_that_fails_fails_the_test_with_what_it_said()
    {
        Python.Require();
        Should.Throw<InvalidOperationException>(() => Python.Run("version.py", ["fail"])).Message.ShouldContain("no such luck");
    }
}
