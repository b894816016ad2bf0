TorchSharp.torch.manual_seed(1); Console.WriteLine(TorchSharp.torch.rand(3).sum().item<float>());
