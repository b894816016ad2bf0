namespace Cairn;

/// <summary>.NET 9's way to go through the pieces of a text.</summary>
internal static class SpanSplitting
{
    public static Pieces Split(this ReadOnlySpan<char> text, char separator) => new(text, separator);

    public ref struct Pieces(ReadOnlySpan<char> text, char separator)
    {
        private readonly ReadOnlySpan<char> _text = text;
        private int _next;

        public Range Current { get; private set; }

        public readonly Pieces GetEnumerator() => this;

        public bool MoveNext()
        {
            if (_next > _text.Length)
                return false;
            int length = _text[_next..].IndexOf(separator);
            int end = length < 0 ? _text.Length : _next + length;
            Current = _next..end;
            _next = end + 1;
            return true;
        }
    }
}
