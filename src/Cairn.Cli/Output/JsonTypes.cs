using System.Text.Json.Serialization;
using Cairn.Cli.Verbs;

namespace Cairn.Cli.Output;

/// <summary>The JSON of every verb: snake_case names, absent values left out.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    // JSON has no word for infinity: it is a text there.
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(LsResult))]
[JsonSerializable(typeof(VerifyResult))]
[JsonSerializable(typeof(ShowResult))]
[JsonSerializable(typeof(PruneResult))]
[JsonSerializable(typeof(KeepResult))]
[JsonSerializable(typeof(BranchResult))]
[JsonSerializable(typeof(PlanResult))]
[JsonSerializable(typeof(AuditResult))]
[JsonSerializable(typeof(ReportResult))]
[JsonSerializable(typeof(ExportResult))]
[JsonSerializable(typeof(ServeResult))]
[JsonSerializable(typeof(WatchResult))]
[JsonSerializable(typeof(AskResult))]
[JsonSerializable(typeof(CompletionResult))]
[JsonSerializable(typeof(DiffResult))]
[JsonSerializable(typeof(StatsResult))]
[JsonSerializable(typeof(ConvertResult))]
[JsonSerializable(typeof(CpResult))]
[JsonSerializable(typeof(SyncResult))]
internal sealed partial class JsonTypes : JsonSerializerContext;
