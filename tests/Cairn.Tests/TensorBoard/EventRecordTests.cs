using Cairn.TensorBoard;

namespace Cairn.Tests.TensorBoard;

/// <summary>The bytes of an event file, as TensorFlow and TensorBoard define them; tests/Cairn.TorchSharp.Tests reads whole files with TensorBoard's own classes.</summary>
public class EventRecordTests
{
    [Theory]
    // Of the CRC's customary check value 0xE3069283, and of 32 zeros (RFC 3720, B.4), masked; that of the length is worked out by hand the same way.
    [InlineData("313233343536373839", 0xE3069283)]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 0x8A9136AA)]
    [InlineData("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 0x62A8AB43)]
    public void A_record_has_length_and_data_each_with_its_masked_checksum(string hex, uint crc)
    {
        byte[] data = Convert.FromHexString(hex), record = TfRecord.Of(data);
        BitConverter.ToUInt64(record).ShouldBe((ulong)data.Length);
        record[12..^4].ShouldBe(data);
        BitConverter.ToUInt32(record, record.Length - 4).ShouldBe(unchecked((crc >> 15 | crc << 17) + 0xa282ead8));
        // The length's own checksum is that of a record whose data are these eight bytes.
        record[8..12].ShouldBe(TfRecord.Of(record.AsSpan(0, 8))[^4..]);
    }

    [Fact]
    public void An_event_is_encoded_as_the_proto_files_say()
    {
        // 2.5 s after 1970 as a double; step 300 as a varint.
        const string Head = "09" + "0000000000000440" + "10" + "AC02";
        Data(EventRecord.Start(At(2.5), 300)).ShouldBe(Head + "3A" + "02" + "0801");
        Data(EventRecord.FileVersion(At(2.5))).ShouldBe("09" + "0000000000000440" + "1000" + "1A0D" + Convert.ToHexString("brain.Event:2"u8));
        Data(EventRecord.Scalars([new("a", 300, At(2.5), 1), new("b", 300, At(2.5), double.PositiveInfinity)])).ShouldBe(Head + "2A14" + "0A08" + "0A0161" + "150000803F" + "0A08" + "0A0162" + "150000807F");
    }

    [Fact]
    public void Points_of_other_steps_or_moments_stand_in_records_of_their_own()
    {
        Scalar first = new("a", 1, At(1), 1), second = new("a", 2, At(1), 1), third = new("b", 2, At(3), 1);
        EventRecord.Scalars([first, second, third]).ShouldBe([.. EventRecord.Scalars([first]), .. EventRecord.Scalars([second]), .. EventRecord.Scalars([third])]);
        EventRecord.Scalars([]).ShouldBeEmpty();
    }

    [Fact]
    public void A_curve_never_goes_back_and_others_do_not_mind()
    {
        var order = new StepOrder();
        order.Takes(new Scalar("a", 5, At(0), 1)).ShouldBeTrue();
        order.Takes(new Scalar("a", 5, At(0), 2)).ShouldBeFalse();
        order.Takes(new Scalar("a", 4, At(0), 1)).ShouldBeFalse();
        order.Takes(new Scalar("b", 4, At(0), 1)).ShouldBeTrue();
        order.Takes(new Scalar("a", 6, At(0), 1)).ShouldBeTrue();
    }

    [Fact]
    public void A_file_stands_behind_those_that_are_there_even_when_the_clock_was_put_back()
    {
        EventFileName.After(At(1000), [], "host.1").ShouldBe("events.out.tfevents.0000001000.host.1");
        EventFileName.After(At(1000), ["events.out.tfevents.0000002000.host.1", "events.out.tfevents.x", "events.out.tfevents.638999999999999999.torch.2", "notes"], "host.1")
            .ShouldBe("events.out.tfevents.0000002001.host.1");
        EventFileName.Is("events.out.tfevents.0000001000.host.1").ShouldBeTrue();
        EventFileName.Is(".cairn-export.0a").ShouldBeFalse();
    }

    private static DateTimeOffset At(double seconds) => DateTimeOffset.UnixEpoch.AddSeconds(seconds);

    private static string Data(byte[] record) => Convert.ToHexString(record[12..^4]);
}
