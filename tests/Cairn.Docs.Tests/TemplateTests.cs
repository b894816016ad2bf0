using YamlDotNet.RepresentationModel;

namespace Cairn.Docs.Tests;

/// <summary>The forms for reports are YAML that has what GitHub asks of a form.</summary>
public sealed class TemplateTests
{
    private static readonly string[] Kinds = ["markdown", "textarea", "input", "dropdown", "checkboxes"];

    public static TheoryData<string> Forms => [.. Repository.Files("*.yml", ".github/ISSUE_TEMPLATE").Select(Path.GetFileName).Where(name => name != "config.yml").OfType<string>()];

    [Theory, MemberData(nameof(Forms))]
    public void A_form_has_a_name_a_description_and_fields_with_ids_of_their_own(string form)
    {
        var yaml = new YamlStream();
        using (var reader = new StreamReader(Path.Combine(Repository.Root, ".github", "ISSUE_TEMPLATE", form)))
            yaml.Load(reader);
        var root = (YamlMappingNode)yaml.Documents.Single().RootNode;
        Text(root, "name").ShouldNotBeEmpty();
        Text(root, "description").ShouldNotBeEmpty();
        YamlMappingNode[] fields = [.. ((YamlSequenceNode)root["body"]).Cast<YamlMappingNode>()];
        fields.ShouldAllBe(field => Kinds.Contains(Text(field, "type")));
        YamlMappingNode[] asked = [.. fields.Where(field => Text(field, "type") != "markdown")];
        asked.ShouldNotBeEmpty();
        asked.Select(field => Text(field, "id")).ShouldBeUnique(StringComparer.Ordinal);
        asked.ShouldAllBe(field => Text((YamlMappingNode)field["attributes"], "label").Length > 0);
    }

    private static string Text(YamlMappingNode map, string key) => ((YamlScalarNode)map[key]).Value ?? "";
}
