namespace Cairn.Layouts.PyTorch;

/// <summary>Under which names a distributed checkpoint of PyTorch holds a state.</summary>
internal enum DistributedForm
{
    /// <summary>
    /// A dict of the parts: <c>model</c> as <c>get_model_state_dict</c> gives it, <c>optimizer</c> as <c>get_optimizer_state_dict</c> does. XTuner and most jobs with FSDP have it, and <c>get_state_dict</c>'s own documentation.
    /// </summary>
    StateDict,
    /// <summary>
    /// As torchtitan has it: the weights at the root, the optimizer flat (<c>StateDictOptions.flatten_optimizer_state_dict</c>), and <c>lr_scheduler</c> and <c>train_state</c> at the step that was reached.
    /// </summary>
    TorchTitan,
}
