using System.Globalization;
using Cairn.State;

namespace Cairn.Cli;

/// <summary>Goes over the leaves of a state.</summary>
internal static class StateWalk
{
    /// <summary>Visits every tensor and scalar with its path; components are joined by <c>/</c>.</summary>
    public static void Visit(StateNode node, Action<string, StateNode> visit, string path = "")
    {
        switch (node)
        {
            case StateMap map:
                foreach ((string key, StateNode child) in map)
                    Visit(child, visit, Join(path, key));
                break;
            case StateList list:
                for (int i = 0; i < list.Count; i++)
                    Visit(list[i], visit, Join(path, i.ToString(CultureInfo.InvariantCulture)));
                break;
            default:
                visit(path, node);
                break;
        }
    }

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}/{key}";
}
