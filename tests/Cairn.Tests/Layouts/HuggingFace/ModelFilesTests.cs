using Cairn.Layouts.HuggingFace;

namespace Cairn.Tests.Layouts.HuggingFace;

/// <summary>Which files of a folder are its model, by their names.</summary>
public class ModelFilesTests
{
    [Theory]
    [InlineData("model.safetensors", "model", "", "safetensors", 0, 0, false)]
    [InlineData("model-00002-of-00007.safetensors", "model", "", "safetensors", 2, 7, false)]
    [InlineData("model.safetensors.index.json", "model", "", "safetensors", 0, 0, true)]
    [InlineData("pytorch_model.bin", "pytorch_model", "", "bin", 0, 0, false)]
    [InlineData("model.fp16.safetensors", "model", "fp16", "safetensors", 0, 0, false)]
    [InlineData("model.fp16-00001-of-00002.safetensors", "model", "fp16", "safetensors", 1, 2, false)]
    [InlineData("model.safetensors.index.fp16.json", "model", "fp16", "safetensors", 0, 0, true)]
    [InlineData("diffusion_pytorch_model-00001-of-00003.fp16.safetensors", "diffusion_pytorch_model", "fp16", "safetensors", 1, 3, false)]
    [InlineData("diffusion_pytorch_model.non_ema.bin", "diffusion_pytorch_model", "non_ema", "bin", 0, 0, false)]
    [InlineData("adapter_model.safetensors", "adapter_model", "", "safetensors", 0, 0, false)]
    [InlineData("consolidated.safetensors", "consolidated", "", "safetensors", 0, 0, false)]
    public void A_name_says_what_a_file_is(string name, string stem, string variant, string ending, int number, int count, bool isIndex) =>
        WeightsFileName.Parse(name).ShouldBe(new WeightsFileName(stem, variant, ending, number, count, isIndex));

    [Theory, InlineData("model.bin"), InlineData("pytorch_model.safetensors"), InlineData("model-1-of-2.safetensors"), InlineData("model-00001-of-00002.safetensors.index.json"), InlineData("my_model.safetensors"), InlineData("model.safetensors\n"), InlineData("model.a.b.safetensors"), InlineData("optimizer.pt"), InlineData("consolidated.00.pth"), InlineData("")]
    public void Other_names_are_none_of_weights(string name) => WeightsFileName.Parse(name).ShouldBeNull();

    [Theory]
    [InlineData("pytorch_model.bin model.safetensors", "model.safetensors")]
    [InlineData("model.safetensors.index.json model.safetensors", "model.safetensors")]
    [InlineData("pytorch_model.bin model.safetensors.index.json", "model.safetensors.index.json")]
    [InlineData("model.fp16.safetensors pytorch_model.bin", "pytorch_model.bin")]
    [InlineData("model.fp16.safetensors config.json", "model.fp16.safetensors")]
    [InlineData("adapter_model.safetensors adapter_config.json", "adapter_model.safetensors")]
    [InlineData("adapter_model.safetensors model.safetensors", "model.safetensors")]
    [InlineData("diffusion_pytorch_model.bin diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors")]
    [InlineData("consolidated.safetensors params.json", "consolidated.safetensors")]
    [InlineData("model-00001-of-00002.safetensors model-00002-of-00002.safetensors pytorch_model.bin", "pytorch_model.bin")]
    [InlineData("model-00002-of-00002.safetensors model-00001-of-00002.safetensors", "model-00001-of-00002.safetensors model-00002-of-00002.safetensors")]
    [InlineData("model.fp16-00001-of-00001.safetensors", "model.fp16-00001-of-00001.safetensors")]
    [InlineData("model-00001-of-00003.safetensors model-00003-of-00003.safetensors", "")]
    [InlineData("optimizer.pt config.json", "")]
    public void The_model_of_a_folder_is_what_its_library_would_take(string names, string read)
    {
        ModelFiles? found = ModelFiles.Find(names.Split(' '));
        string.Join(' ', found is null ? [] : found.Shards.Count > 0 ? found.Shards : [found.Weights ?? found.Index!]).ShouldBe(read);
    }

    [Fact]
    public void Where_nothing_says_which_variant_is_meant_all_are_named()
    {
        ModelFiles.Find(["model.fp16.safetensors", "model.ema.safetensors"]).ShouldNotBeNull().Variants.ShouldBe(["ema", "fp16"]);
        ModelFiles.Find(["model.fp16.safetensors", "model.ema.safetensors", "model.safetensors"]).ShouldNotBeNull().Variants.ShouldBeEmpty();
    }
}
