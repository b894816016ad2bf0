using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Output;

namespace Cairn.Cli.Verbs;

/// <summary>The result of <c>cairn completion</c>.</summary>
internal sealed record CompletionResult(string Shell, string Script);

/// <summary><c>cairn completion</c>: the tab key knows the verbs and options.</summary>
internal sealed class CompletionVerb : Verb
{
    // Options are offered when one is begun; elsewhere the names of files matter more. Without the terminal as its input, the program leaves
    // the modes of the terminal alone.
    private const string Bash = """
        # Completion of cairn for bash. In ~/.bashrc: source <(cairn completion bash)
        _cairn() {
            local current=${COMP_WORDS[COMP_CWORD]} IFS=$'\n' offered
            offered=$("${COMP_WORDS[0]}" "[suggest:$COMP_POINT]" "$COMP_LINE" </dev/null 2>/dev/null)
            if [[ $current == -* ]]; then
                COMPREPLY=($(compgen -W "$offered" -X '!--*' -- "$current"))
            else
                COMPREPLY=($(compgen -W "$offered" -X '[-/]*' -- "$current"))
            fi
        }
        complete -o bashdefault -o default -F _cairn cairn
        """;

    private const string Zsh = """
        #compdef cairn
        # Completion of cairn for zsh. In ~/.zshrc, after compinit: source <(cairn completion zsh)
        _cairn() {
            local line="${(j: :)words[1,CURRENT]}"
            local -a offered
            offered=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" </dev/null 2>/dev/null)}")
            if [[ "$words[CURRENT]" == -* ]]; then
                offered=(${(M)offered:#--*})
                compadd -- $offered
            else
                offered=(${offered:#[-/]*})
                (( $#offered )) && compadd -- $offered || _files
            fi
        }
        if [[ "$funcstack[1]" == _cairn ]]; then
            _cairn "$@"
        else
            compdef _cairn cairn
        fi
        """;

    private readonly Argument<string> _shell = new Argument<string>("shell") { Description = "bash or zsh.", HelpName = "SHELL" }.AcceptOnlyFromAmong("bash", "zsh");

    public override JsonTypeInfo Result => JsonTypes.Default.CompletionResult;

    public override string Example => "source <(cairn completion bash)";

    protected override Command Define() => new("completion", "Prints a script that makes the tab key complete verbs and options.") { _shell };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        string shell = parsed.GetValue(_shell)!;
        screen.Show(new CompletionResult(shell, shell == "bash" ? Bash : Zsh), JsonTypes.Default.CompletionResult, result => screen.Raw(result.Script));
        return ExitCode.Good;
    }
}
