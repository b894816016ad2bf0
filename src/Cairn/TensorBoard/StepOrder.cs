namespace Cairn.TensorBoard;

/// <summary>Lets pass only points whose step is later than that of the curve's last one: TensorBoard drops the earlier points of a curve that goes back.</summary>
internal sealed class StepOrder
{
    private readonly Dictionary<string, long> _last = new(StringComparer.Ordinal);

    /// <summary>Whether it goes on; then it is the curve's last.</summary>
    public bool Takes(Scalar point)
    {
        if (_last.TryGetValue(point.Tag, out long last) && point.Step <= last)
            return false;
        _last[point.Tag] = point.Step;
        return true;
    }
}
