using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp.Tests;

/// <summary>What a checkpoint does between save and resume: a copy of the state that shares nothing with the live objects.</summary>
static class Copies
{
    public static StateMap Copy(this StateMap state) => (StateMap)Copy(state, []);

    public static byte[] Bytes(this StateTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        return bytes;
    }

    public static byte[] Bytes(this torch.Tensor tensor) => new TorchTensor(tensor).Bytes();

    public static void Carry(IStatePart from, IStatePart to) => to.Restore(from.Capture().Copy());

    public static void ShouldHoldTheSameAs(this StateNode actual, StateNode expected)
    {
        switch (actual, expected)
        {
            case (StateMap left, StateMap right):
                left.Keys.ShouldBe(right.Keys);
                foreach (string key in left.Keys)
                    left[key].ShouldHoldTheSameAs(right[key]);
                break;
            case (StateList left, StateList right):
                left.Count.ShouldBe(right.Count);
                for (int i = 0; i < left.Count; i++)
                    left[i].ShouldHoldTheSameAs(right[i]);
                break;
            case (StateTensor left, StateTensor right):
                left.ToString().ShouldBe(right.ToString());
                left.Bytes().AsSpan().SequenceEqual(right.Bytes()).ShouldBeTrue();
                break;
            default:
                ((StateScalar)actual).Value.ShouldBe(((StateScalar)expected).Value);
                break;
        }
    }

    private static StateNode Copy(StateNode node, Dictionary<StateTensor, StateTensor> ties)
    {
        switch (node)
        {
            case StateMap map:
                StateMap copy = [];
                foreach ((string name, StateNode child) in map)
                    copy.Add(name, Copy(child, ties));
                return copy;
            case StateList list:
                return new StateList(list.Select(child => Copy(child, ties)));
            case StateTensor tensor:
                if (!ties.TryGetValue(tensor, out StateTensor? memory))
                    ties.Add(tensor, memory = new MemoryTensor(tensor.Type, [.. tensor.Shape], tensor.Bytes()));
                return memory;
            default:
                return node;
        }
    }
}
