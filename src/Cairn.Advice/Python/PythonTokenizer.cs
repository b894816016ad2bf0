using System.Text;

namespace Cairn.Advice.Python;

/// <summary>
/// Cuts Python source into tokens, as far as configuration files need it (The Python Language Reference, "Lexical analysis"). Within brackets
/// lines do not end. What is no token becomes an operator of one character, so that it never fails.
/// </summary>
internal sealed class PythonTokenizer(string source)
{
    private static readonly string[] LongOperators = ["**", "//", "==", "!=", "<=", ">=", "->", ":="];

    private readonly List<PythonToken> _tokens = [];
    private int _at, _line = 1, _depth;
    private bool _lineBegins = true, _indented;

    public List<PythonToken> Run()
    {
        while (_at < source.Length)
            Next();
        Add(PythonTokenKind.EndOfLine, "");
        Add(PythonTokenKind.EndOfFile, "");
        return _tokens;
    }

    private void Next()
    {
        char c = source[_at];
        if (c == '\n')
        {
            if (_depth == 0)
            {
                Add(PythonTokenKind.EndOfLine, "");
                _lineBegins = true;
                _indented = false;
            }
            _line++;
            _at++;
        }
        else if (c == '\\' && _at + 1 < source.Length && source[_at + 1] is '\n' or '\r')
        {
            _at++;
            SkipLineBreak();
        }
        else if (char.IsWhiteSpace(c))
        {
            _indented |= _lineBegins && c is ' ' or '\t';
            _at++;
        }
        else if (c == '#')
        {
            while (_at < source.Length && source[_at] != '\n')
                _at++;
        }
        else
        {
            Token(c);
            _lineBegins = false;
        }
    }

    private void Token(char c)
    {
        if (StringPrefixLength() is { } prefix)
            ReadString(source.Substring(_at, prefix));
        else if (char.IsLetter(c) || c == '_')
            Add(PythonTokenKind.Name, While(static (ch, _) => char.IsLetterOrDigit(ch) || ch == '_'));
        else if (char.IsAsciiDigit(c) || (c == '.' && _at + 1 < source.Length && char.IsAsciiDigit(source[_at + 1])))
            Add(PythonTokenKind.Number, While(static (ch, before) => char.IsLetterOrDigit(ch) || ch is '_' or '.' || (ch is '+' or '-' && before is 'e' or 'E')));
        else
            ReadOperator(c);
    }

    private void ReadOperator(char c)
    {
        string text = LongOperators.FirstOrDefault(op => string.CompareOrdinal(source, _at, op, 0, op.Length) == 0) ?? c.ToString();
        _depth += c is '(' or '[' or '{' ? 1 : c is ')' or ']' or '}' ? -1 : 0;
        _depth = Math.Max(0, _depth);
        Add(PythonTokenKind.Operator, text);
        _at += text.Length;
    }

    private int? StringPrefixLength()
    {
        int length = 0;
        while (length < 2 && _at + length < source.Length && "rRbBuUfF".Contains(source[_at + length], StringComparison.Ordinal))
            length++;
        return _at + length < source.Length && source[_at + length] is '"' or '\'' ? length : null;
    }

    private void ReadString(string prefix)
    {
        int line = _line;
        _at += prefix.Length;
        char quote = source[_at];
        bool triple = _at + 2 < source.Length && source[_at + 1] == quote && source[_at + 2] == quote;
        _at += triple ? 3 : 1;
        bool raw = prefix.Contains('r', StringComparison.OrdinalIgnoreCase);
        var value = new StringBuilder();
        while (_at < source.Length)
        {
            char c = source[_at];
            if (c == quote && (!triple || (_at + 2 < source.Length && source[_at + 1] == quote && source[_at + 2] == quote)))
            {
                _at += triple ? 3 : 1;
                break;
            }
            if (c == '\n')
            {
                if (!triple)
                    break;
                _line++;
            }
            if (c == '\\' && _at + 1 < source.Length)
                Escape(value, raw);
            else
            {
                value.Append(c);
                _at++;
            }
        }
        bool computed = prefix.Contains('b', StringComparison.OrdinalIgnoreCase)
            || (prefix.Contains('f', StringComparison.OrdinalIgnoreCase) && value.ToString().Contains('{', StringComparison.Ordinal));
        _tokens.Add(new PythonToken(computed ? PythonTokenKind.ComputedText : PythonTokenKind.Text, value.ToString(), line, _indented));
    }

    // Only the escapes that stand in paths and names; others stay as written, as Python does with unknown ones.
    private void Escape(StringBuilder value, bool raw)
    {
        char next = source[_at + 1];
        string? meant = raw ? null : next switch { '\\' => "\\", '\'' => "'", '"' => "\"", 'n' => "\n", 't' => "\t", 'r' => "\r", '0' => "\0", '\n' => "", _ => null };
        value.Append(meant ?? $"\\{next}");
        _line += next == '\n' ? 1 : 0;
        _at += 2;
    }

    private string While(Func<char, char, bool> belongs)
    {
        int start = _at;
        while (_at < source.Length && belongs(source[_at], _at > start ? source[_at - 1] : '\0'))
            _at++;
        return source[start.._at];
    }

    private void SkipLineBreak()
    {
        if (source[_at] == '\r')
            _at++;
        if (_at < source.Length && source[_at] == '\n')
        {
            _at++;
            _line++;
        }
    }

    private void Add(PythonTokenKind kind, string text) => _tokens.Add(new PythonToken(kind, text, _line, _indented));
}
