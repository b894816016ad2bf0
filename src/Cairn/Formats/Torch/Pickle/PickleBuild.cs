namespace Cairn.Formats.Torch.Pickle;

/// <summary>The opcode BUILD: what an object is given after it was made.</summary>
internal static class PickleBuild
{
    public static void Build(TorchValue target, TorchValue state, PickleContext context)
    {
        switch (target)
        {
            case UnbuiltArray array:
                NumpyValues.Fill(array, state, context);
                break;
            case TorchObject instance:
                if (instance.State is not null)
                    throw context.Wrong("an object is given its state twice", "once", state);
                instance.State = state;
                break;
            case TorchMap map:
                if (AttributesOf(state) is not TorchMap attributes)
                    throw context.Wrong("the attributes of a dict are malformed", "a dict", state);
                map.Attributes = attributes.Count == 0 ? null : attributes;
                break;
            // Until PyTorch 0.4 a parameter was made of its data, and then given (requires_grad, volatile, hooks).
            case TorchTensorValue tensor when state is TorchList { Kind: TorchListKind.Tuple, Count: 3 } parameter:
                tensor.RequiresGrad = context.Boolean(parameter[0], "requires_grad of a parameter is malformed");
                break;
            default:
                throw context.Wrong("a state is given to what takes none", "an object", target);
        }
    }

    // A pair is the attributes and those in slots.
    private static TorchMap? AttributesOf(TorchValue state) => state switch
    {
        TorchMap attributes => attributes,
        TorchList { Kind: TorchListKind.Tuple, Count: 2 } pair when pair[0] is TorchMap attributes => attributes,
        _ => null,
    };
}
