using Cairn.Ranks;
using CsCheck;

namespace Cairn.Mpi.Tests;

public class PieceWavesTests
{
    [Fact]
    public void Every_element_goes_once_and_no_owner_more_than_a_wave_at_a_time() =>
        Gen.Select(Gen.Select(Gen.Long[0, 300], Gen.Int[0, 2]).Array[0, 12], Gen.Int[8, 200]).Sample((lengths, wave) =>
        {
            const int Width = 4;
            List<MemoryPiece> pieces = [];
            nint at = 0x1000;
            foreach ((long length, int owner) in lengths)
            {
                pieces.Add(new MemoryPiece(at, length, owner));
                at += (nint)(length * Width);
            }
            HashSet<(nint, int)> seen = [];
            PieceWaves waves = new([.. pieces], 3, wave, Width);
            List<MemoryPiece> next = [];
            while (waves.Next(next))
            {
                foreach (IGrouping<int, MemoryPiece> owned in next.GroupBy(piece => piece.Owner))
                    owned.Sum(piece => piece.Elements * Width).ShouldBeLessThanOrEqualTo(wave);
                foreach (MemoryPiece piece in next)
                {
                    for (long i = 0; i < piece.Elements; i++)
                        seen.Add((piece.Address + (nint)(i * Width), piece.Owner)).ShouldBeTrue();
                }
            }
            seen.Count.ShouldBe((int)pieces.Sum(piece => piece.Elements));
        });

    [Fact]
    public void A_tensor_of_more_elements_than_MPI_can_count_goes_in_waves()
    {
        const long Elements = 5L << 30;
        PieceWaves waves = new([new MemoryPiece(0, Elements, 0)], 2, 8 << 20, 4);
        List<MemoryPiece> next = [];
        long gone = 0;
        while (waves.Next(next))
        {
            MemoryPiece piece = next.ShouldHaveSingleItem();
            piece.Address.ShouldBe((nint)(gone * 4));
            piece.Elements.ShouldBeLessThanOrEqualTo(2 << 20);
            gone += piece.Elements;
        }
        gone.ShouldBe(Elements);
    }

    [Fact]
    public void Equal_parts_cover_everything_in_order()
    {
        MemoryPiece[] parts = Collectives.Cut(1000, 10, State.TensorType.F32, 4);
        parts.ShouldBe([new(1000, 2, 0), new(1008, 3, 1), new(1020, 2, 2), new(1028, 3, 3)]);
        Collectives.Cut(0, long.MaxValue / 8, State.TensorType.F64, 7).Sum(part => part.Elements).ShouldBe(long.MaxValue / 8);
    }
}
