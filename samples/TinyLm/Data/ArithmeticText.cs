using static TorchSharp.torch;

namespace TinyLm.Data;

/// <summary>
/// The text of the sample: every sum of two numbers of two digits, one a line, as <c>27+45=270</c>. The three digits of the
/// answer are reversed, units first, because the carry then flows in the order of writing. Nothing is read from disk: line
/// <c>i</c> is a pure function of <c>i</c> and the seed.
/// </summary>
public sealed class ArithmeticText
{
    /// <summary>The characters, in the order of their token ids.</summary>
    public const string Vocabulary = "0123456789+=\n";

    /// <summary>Tokens in a line, with the line break.</summary>
    public const int LineLength = 10;

    /// <summary>Tokens of a line that are given, up to and with the equals sign.</summary>
    public const int QuestionLength = 6;

    /// <summary>Digits of an answer.</summary>
    public const int AnswerLength = 3;

    const int Numbers = 100;
    readonly int[] _order;

    /// <summary>Shuffles all sums by <paramref name="seed"/> and keeps the last <paramref name="heldOut"/> from training.</summary>
    public ArithmeticText(int seed, int heldOut = 1000)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(heldOut);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(heldOut, Numbers * Numbers);
        _order = [.. Enumerable.Range(0, Numbers * Numbers)];
        // The sequence of a seeded Random is the same in every version of .NET.
        new Random(seed).Shuffle(_order);
        TrainingCount = _order.Length - heldOut;
    }

    /// <summary>Number of lines to train on, the indices from 0.</summary>
    public int TrainingCount { get; }

    /// <summary>The indices of the lines that training never sees.</summary>
    public IEnumerable<int> HeldOut => Enumerable.Range(TrainingCount, _order.Length - TrainingCount);

    /// <summary>Line <paramref name="index"/>.</summary>
    public string Line(int index)
    {
        var (left, right) = Math.DivRem(_order[index], Numbers);
        var sum = left + right;
        return $"{left:00}+{right:00}={sum % 10}{sum / 10 % 10}{sum / 100}\n";
    }

    /// <summary>The token ids of the lines, shape [lines, <see cref="LineLength"/>], int64.</summary>
    public Tensor Tokens(ReadOnlySpan<long> indices)
    {
        var ids = new long[indices.Length * LineLength];
        for (var row = 0; row < indices.Length; row++)
        {
            var line = Line(checked((int)indices[row]));
            for (var column = 0; column < LineLength; column++)
            {
                ids[row * LineLength + column] = Vocabulary.IndexOf(line[column], StringComparison.Ordinal);
            }
        }
        return tensor(ids).view(indices.Length, LineLength);
    }

    /// <summary>Mean cross-entropy of the answers and their line breaks; operands are random and teach nothing.</summary>
    public static Tensor AnswerLoss(nn.Module<Tensor, Tensor> model, Tensor tokens)
    {
        var logits = model.forward(tokens.narrow(1, 0, LineLength - 1));
        var answers = logits.narrow(1, QuestionLength - 1, LineLength - QuestionLength);
        var targets = tokens.narrow(1, QuestionLength, LineLength - QuestionLength);
        return nn.functional.cross_entropy(answers.reshape(-1, Vocabulary.Length), targets.reshape(-1));
    }

    /// <summary>Decodes the answers of these lines greedily; gives the percentage that is right in every digit.</summary>
    public double Accuracy(nn.Module<Tensor, Tensor> model, IEnumerable<int> lines)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var wasTraining = model.training;
        model.eval();
        var tokens = Tokens([.. lines.Select(index => (long)index)]);
        var text = tokens.narrow(1, 0, QuestionLength);
        for (var digit = 0; digit < AnswerLength; digit++)
        {
            var next = model.forward(text).select(1, -1).argmax(-1, keepdim: true);
            text = cat([text, next], 1);
        }
        model.train(wasTraining);

        var written = text.narrow(1, QuestionLength, AnswerLength);
        var right = written.eq(tokens.narrow(1, QuestionLength, AnswerLength)).all(1);
        return 100.0 * right.sum().item<long>() / tokens.shape[0];
    }
}
