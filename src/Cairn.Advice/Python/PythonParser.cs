using System.Globalization;

namespace Cairn.Advice.Python;

/// <summary>A value that only running the program would tell.</summary>
internal sealed record PythonUnread(string Why);

/// <summary>Reads assignments at the top level, one after the other.</summary>
internal sealed partial class PythonParser(List<PythonToken> tokens)
{
    private const int DeepestNesting = 100;

    private int _at, _depth;
    private bool _unclosed;

    /// <summary>What was assigned: long, double, bool, string, null, a list, a dictionary, or <see cref="PythonUnread"/>.</summary>
    public Dictionary<string, object?> Values { get; } = new(StringComparer.Ordinal);

    public List<string> Problems { get; } = [];

    private PythonToken Current => tokens[_at];

    public void Run()
    {
        while (Current.Kind != PythonTokenKind.EndOfFile)
        {
            if (Current.Kind == PythonTokenKind.EndOfLine)
                _at++;
            else
                Statement();
        }
    }

    private void Statement()
    {
        PythonToken first = Current;
        bool isAssignment = first is { Kind: PythonTokenKind.Name, Indented: false } && tokens[_at + 1].Is("=") && !tokens[_at + 2].Is("=");
        if (!isAssignment)
        {
            // Blocks are skipped with the line that opens them; imports and comments in strings say nothing.
            if (!first.Indented && first.Kind != PythonTokenKind.Text && first.Text is not ("import" or "from"))
                Problems.Add($"line {first.Line}: what begins with '{first.Text}' is not read");
            SkipLine();
            return;
        }
        _at += 2;
        object? value = Expression();
        if (Current.Kind is not (PythonTokenKind.EndOfLine or PythonTokenKind.EndOfFile) && !Current.Is(";"))
            value = Unread($"'{Current.Text}' in it is not read");
        if (value is PythonUnread unread)
            Problems.Add($"line {first.Line}: {first.Text} is not read: {unread.Why}");
        Values[first.Text] = value;
        if (Current.Is(";"))
            _at++;
        else
            SkipLine();
    }

    private void SkipLine()
    {
        while (Current.Kind is not (PythonTokenKind.EndOfLine or PythonTokenKind.EndOfFile))
            _at++;
    }

    private object? Expression()
    {
        object? left = Product();
        while (Current.Is("+") || Current.Is("-"))
        {
            string op = Take().Text;
            left = PythonArithmetic.Apply(op, left, Product());
        }
        return left;
    }

    private object? Product()
    {
        object? left = Unary();
        while (Current.Is("*") || Current.Is("/") || Current.Is("//") || Current.Is("%"))
        {
            string op = Take().Text;
            left = PythonArithmetic.Apply(op, left, Unary());
        }
        return left;
    }

    // Whatever nests comes through here.
    private object? Unary()
    {
        if (_depth >= DeepestNesting)
        {
            SkipLine();
            return Unread("it is nested too deeply");
        }
        _depth++;
        object? value = Signed();
        _depth--;
        return value;
    }

    private object? Signed()
    {
        int negations = 0;
        bool signed = false;
        for (; Current.Is("-") || Current.Is("+"); signed = true)
            negations += Take().Text == "-" ? 1 : 0;
        object? value = Power();
        return !signed ? value : PythonArithmetic.Apply(negations % 2 == 1 ? "-" : "+", 0L, value);
    }

    private object? Power()
    {
        object? left = Postfix();
        if (!Current.Is("**"))
            return left;
        _at++;
        return PythonArithmetic.Apply("**", left, Unary());
    }

    private object? Postfix()
    {
        PythonToken first = Current;
        object? value = Atom();
        string name = first.Kind == PythonTokenKind.Name ? first.Text : "";
        while (true)
        {
            if (Current.Is("("))
            {
                (List<object?> positional, Dictionary<string, object?> named) = Arguments();
                value = PythonArithmetic.Call(name, positional, named);
                name = "";
            }
            else if (Current.Is("["))
            {
                Items("]");
                value = Unread("an index in it is not read");
            }
            else if (Current.Is("."))
            {
                _at++;
                name += "." + Take().Text;
                value = Unread($"'{name}' is not a constant of this file");
            }
            else
            {
                return value;
            }
        }
    }

    private object? Atom()
    {
        PythonToken token = Take();
        switch (token.Kind)
        {
            case PythonTokenKind.Number:
                return Number(token.Text);
            case PythonTokenKind.ComputedText:
                while (Current.Kind is PythonTokenKind.Text or PythonTokenKind.ComputedText)
                    _at++;
                return Unread("a formatted string is made by running the program");
            case PythonTokenKind.Text:
                string text = token.Text;
                while (Current.Kind == PythonTokenKind.Text)
                    text += Take().Text;
                return Current.Kind == PythonTokenKind.ComputedText ? Atom() : text;
            case PythonTokenKind.Name:
                return Name(token.Text);
            case PythonTokenKind.Operator when token.Text is "(":
                _at--;
                return Parenthesis();
            case PythonTokenKind.Operator when token.Text is "[":
                _at--;
                return Items("]").Values;
            case PythonTokenKind.Operator when token.Text is "{":
                _at--;
                return Braces();
            default:
                if (token.Kind is PythonTokenKind.EndOfLine or PythonTokenKind.EndOfFile)
                    _at--;
                return Unread(token.Text.Length == 0 ? "it ends in the middle" : $"'{token.Text}' in it is not read");
        }
    }

    private object? Name(string name) => name switch
    {
        "True" => true,
        "False" => false,
        "None" => null,
        "dict" or "int" or "float" or "str" or "list" or "tuple" or "max" or "min" or "round" or "abs" when Current.Is("(") => null,
        _ => Values.TryGetValue(name, out object? value) ? value : Unread($"'{name}' is not a constant of this file"),
    };

    private PythonToken Take() => Current.Kind == PythonTokenKind.EndOfFile ? Current : tokens[_at++];

    private static object Number(string text)
    {
        string digits = text.Replace("_", "", StringComparison.Ordinal);
        if (digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase) && long.TryParse(digits.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long hex))
            return hex;
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long whole) ? whole
            : double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number
            : Unread($"'{text}' is not a number that is read");
    }

    private static PythonUnread Unread(string why) => new(why);
}
