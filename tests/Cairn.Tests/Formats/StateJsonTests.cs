using System.Text.Json;
using Cairn.Formats;
using Cairn.State;
using CsCheck;

namespace Cairn.Tests.Formats;

public class StateJsonTests
{
    [Fact]
    public void Every_double_comes_back_bit_for_bit_and_stays_a_double() =>
        Gen.Double.Sample(value =>
            RoundTrip(value) is StateScalar { Value: double back }
            && (BitConverter.DoubleToInt64Bits(back) == BitConverter.DoubleToInt64Bits(value) || double.IsNaN(value) && double.IsNaN(back)));

    [Theory]
    [InlineData(-0.0), InlineData(1.0), InlineData(1e300), InlineData(double.NaN), InlineData(double.PositiveInfinity), InlineData(double.NegativeInfinity), InlineData(double.Epsilon)]
    public void Special_doubles_come_back(double value) =>
        BitConverter.DoubleToInt64Bits((double)((StateScalar)RoundTrip(value)).Value!).ShouldBe(BitConverter.DoubleToInt64Bits(value));

    [Fact]
    public void Whole_numbers_stay_whole() =>
        Gen.Long.Sample(value => ((StateScalar)RoundTrip(value)).Value is long back && back == value);

    [Fact]
    public void A_key_that_looks_like_a_tag_is_still_a_key()
    {
        var map = new StateMap { { "$double", "NaN" }, { "$$", 1L } };
        var back = (StateMap)RoundTrip(map);
        back.Keys.ShouldBe(["$double", "$$"]);
        ((StateScalar)back["$double"]).Value.ShouldBe("NaN");
    }

    [Theory]
    [InlineData("""{"a":1,"a":2}"""), InlineData("""{"$what":1}"""), InlineData("""{"$tensor":"x"}"""), InlineData("""123456789012345678901234567890""")]
    public void What_it_cannot_mean_is_refused(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Should.Throw<FormatException>(() => StateJson.Read(document.RootElement));
    }

    static StateNode RoundTrip(StateNode node)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
            StateJson.Write(writer, node);
        using JsonDocument document = JsonDocument.Parse(stream.ToArray());
        return StateJson.Read(document.RootElement);
    }
}
