namespace Cairn.Advice.Python;

// What stands between brackets: tuples, lists, arguments, dictionaries.
internal sealed partial class PythonParser
{
    private object? Parenthesis()
    {
        (List<object?> values, bool comma) = Items(")");
        return values.Count == 1 && !comma ? values[0] : values;
    }

    /// <summary>Values between brackets; whether there was a comma.</summary>
    private (List<object?> Values, bool Comma) Items(string close)
    {
        _at++;
        List<object?> values = [];
        bool comma = false;
        while (!Ends(close))
        {
            int line = Current.Line;
            values.Add(Item(close));
            if (values[^1] is PythonUnread unread && (close == "]" || values.Count > 1 || Current.Is(",")))
                Problems.Add($"line {line}: a value in a list is not read: {unread.Why}");
            if (Current.Is(","))
            {
                comma = true;
                _at++;
            }
        }
        return (values, comma);
    }

    private (List<object?> Positional, Dictionary<string, object?> Named) Arguments()
    {
        _at++;
        List<object?> positional = [];
        Dictionary<string, object?> named = new(StringComparer.Ordinal);
        while (!Ends(")"))
        {
            if (Current.Kind == PythonTokenKind.Name && tokens[_at + 1].Is("="))
            {
                PythonToken key = Take();
                _at++;
                Put(named, key, Item(")"));
            }
            else
            {
                positional.Add(Item(")"));
            }
            if (Current.Is(","))
                _at++;
        }
        return (positional, named);
    }

    private object? Braces()
    {
        _at++;
        Dictionary<string, object?> map = new(StringComparer.Ordinal);
        bool isMap = true;
        while (!Ends("}"))
        {
            PythonToken key = Current;
            object? name = Item("}", ":");
            if (Current.Is(":"))
            {
                _at++;
                object? value = Item("}");
                if (name is string text)
                    Put(map, key with { Text = text }, value);
                else
                    isMap = false;
            }
            else
            {
                isMap = false;
            }
            if (Current.Is(","))
                _at++;
        }
        return isMap ? map : Unread("sets, and dictionaries whose keys are no strings, are not read");
    }

    private void Put(Dictionary<string, object?> map, PythonToken key, object? value)
    {
        // The rest of the dictionary is still good.
        if (value is PythonUnread unread)
            Problems.Add($"line {key.Line}: {key.Text} is not read: {unread.Why}");
        map[key.Text] = value;
    }

    // One value of a list. What follows it and is neither comma nor end makes it one that cannot be told.
    private object? Item(string close, string? or = null)
    {
        object? value = Expression();
        if (Current.Is(",") || Current.Is(close) || (or is not null && Current.Is(or)))
            return value;
        string found = Current.Text;
        for (int depth = 0; Current.Kind != PythonTokenKind.EndOfFile && (depth > 0 || !(Current.Is(",") || Current.Is(close))); _at++)
            depth += Current.Is("(") || Current.Is("[") || Current.Is("{") ? 1 : Current.Is(")") || Current.Is("]") || Current.Is("}") ? -1 : 0;
        return value as PythonUnread ?? Unread($"'{found}' in it is not read");
    }

    private bool Ends(string close)
    {
        if (Current.Kind == PythonTokenKind.EndOfFile)
        {
            if (!_unclosed)
                Problems.Add($"line {Current.Line}: the file ends, and a '{close}' is missing");
            _unclosed = true;
            return true;
        }
        if (!Current.Is(close))
            return false;
        _at++;
        return true;
    }
}
