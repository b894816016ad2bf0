namespace Cairn.State;

/// <summary>The place of an item of a list that stands in another rank's file. Never part of a state that is given to its owner.</summary>
internal sealed class StateElsewhere : StateNode
{
    public static readonly StateElsewhere Instance = new();

    private StateElsewhere() { }
}
