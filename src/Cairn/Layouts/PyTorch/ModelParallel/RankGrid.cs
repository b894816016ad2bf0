using System.Globalization;
using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>Where a file stands among the model-parallel ranks.</summary>
/// <param name="Tensor">Its tensor-parallel rank.</param>
/// <param name="Pipeline">Its pipeline stage.</param>
/// <param name="Expert">Its expert-parallel rank.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RankPlace(int Tensor, int Pipeline, int Expert);

/// <summary>The model-parallel ranks that saved a step, by the numbers in their names.</summary>
/// <param name="Places">Of each file, in their order.</param>
internal sealed record RankGrid(IReadOnlyList<RankPlace> Places)
{
    /// <summary>How many tensor-parallel ranks, pipeline stages and expert-parallel ranks there are.</summary>
    public int Tensors => Places.Max(place => place.Tensor) + 1;
    public int Stages => Places.Max(place => place.Pipeline) + 1;
    public int Experts => Places.Max(place => place.Expert) + 1;

    /// <summary>Reads the folders' names of Megatron-LM: <c>mp_rank_TT</c>, <c>mp_rank_TT_PPP</c>, <c>mp_rank_TT_PPP_EEE</c>.</summary>
    /// <param name="files">The files, within the folder of the step.</param>
    /// <param name="isExpert">Whether a second number is that of an expert-parallel rank.</param>
    public static RankGrid OfMegatron(IEnumerable<string> files, bool isExpert) => new([.. files.Select(file =>
    {
        int[] numbers = [.. file.Split('/')[0]["mp_rank_".Length..].Split('_').Select(digits => int.Parse(digits, CultureInfo.InvariantCulture))];
        return numbers.Length == 2 && isExpert ? new RankPlace(numbers[0], 0, numbers[1]) : new RankPlace(numbers[0], numbers.ElementAtOrDefault(1), numbers.ElementAtOrDefault(2));
    })]);

    /// <summary>The files of one place; <see langword="null"/> when it is not there.</summary>
    public int? IndexOf(RankPlace place)
    {
        for (int i = 0; i < Places.Count; i++)
        {
            if (Places[i] == place)
                return i;
        }
        return null;
    }

    /// <summary>The first place whose file is not there; <see langword="null"/> when all are.</summary>
    public RankPlace? Missing
    {
        get
        {
            if ((long)Tensors * Stages * Experts == Places.Count)
                return null;
            HashSet<RankPlace> there = [.. Places];
            // One of the first so many is not there.
            for (int i = 0; i <= Places.Count; i++)
            {
                var place = new RankPlace(i / Experts / Stages, i / Experts % Stages, i % Experts);
                if (!there.Contains(place))
                    return place;
            }
            return null;
        }
    }

    /// <summary>How many ranks of a kind the job's arguments name; <see langword="null"/> when they do not.</summary>
    public static long? SizeIn(StateMap root, string kind) =>
        root.GetValueOrDefault("args") is StateMap args && args.GetValueOrDefault(kind) is StateScalar { Value: long size } ? size : null;
}
