using System.IO.Hashing;
using Cairn.Formats.Torch.Zip;
using CsCheck;

namespace Cairn.Tests.Formats.Torch;

public class ZipChecksumTests
{
    [Fact]
    public void It_is_the_checksum_of_zip_archives()
    {
        var checksum = new ZipChecksum();
        checksum.Append("123456789"u8);
        checksum.Finish().ShouldBe(0xCBF4_3926);
        checksum.Finish().ShouldBe(0u);
    }

    [Fact]
    public void Bytes_of_any_length_in_any_pieces_give_what_the_library_gives() =>
        Gen.Select(Gen.Int[0, 5000], Gen.Int[0, 31], Gen.Int[1, 3000].Array[1, 8], Gen.Int).Sample((length, offset, pieces, seed) =>
        {
            byte[] all = new byte[length + offset];
            new Random(seed).NextBytes(all);
            ReadOnlySpan<byte> rest = all.AsSpan(offset);
            uint expected = Crc32.HashToUInt32(rest);
            var checksum = new ZipChecksum();
            for (int i = 0; !rest.IsEmpty; i++)
            {
                int piece = Math.Min(rest.Length, pieces[i % pieces.Length]);
                checksum.Append(rest[..piece]);
                rest = rest[piece..];
            }
            return checksum.Finish() == expected;
        }, iter: 2000);

    [Fact]
    public void Large_blocks_give_what_the_library_gives()
    {
        byte[] bytes = new byte[3_000_001];
        new Random(3).NextBytes(bytes);
        var checksum = new ZipChecksum();
        checksum.Append(bytes);
        checksum.Finish().ShouldBe(Crc32.HashToUInt32(bytes));
    }
}
