using Cairn.State;

namespace Cairn.Pages.Program;

/// <summary>Numbers that training changes.</summary>
internal sealed class Model(int count) : IStatePart
{
    private readonly byte[] _numbers = new byte[4 * count];

    public string Name => "model";

    public void Train(long step) => BitConverter.TryWriteBytes(_numbers.AsSpan((int)(step % count) * 4), (float)step);

    public StateMap Capture() => new() { { "numbers", new MemoryTensor(TensorType.F32, [count], _numbers) } };

    public void Check(StateMap saved, RestoreProblems problems)
    {
        if (!saved.ContainsKey("numbers"))
            problems.AddMissing("numbers");
    }

    public void Restore(StateMap saved) => ((StateTensor)saved["numbers"]).CopyTo(0, _numbers);
}
