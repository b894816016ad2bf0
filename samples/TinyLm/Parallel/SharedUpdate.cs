using Cairn.Mpi;
using Cairn.Ranks;
using Cairn.State;
using Cairn.TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TinyLm.Parallel;

/// <summary>
/// The update among several ranks. Gradients are averaged over the data-parallel ranks. With ZeRO-1 (Rajbhandari et al., 2019) each rank
/// receives only the average of its own stretch of the parameters, keeps the moments of that stretch alone, moves it, and sends it to the others.
/// </summary>
public sealed class SharedUpdate : RankUpdate
{
    readonly MpiJob _job;
    readonly nn.Module _model;
    readonly Parameter[] _parameters;
    readonly string[] _names;
    readonly List<TensorPiece> _pieces = [];
    readonly List<(Parameter Piece, Parameter Whole, long Start)> _own = [];
    readonly ParameterPieces _ownModule = new();
    // By the name that the optimizer knows.
    readonly Dictionary<string, ParameterShard> _shards = [];

    public SharedUpdate(Model.InternLm2 model, MpiJob job) : base(model)
    {
        _job = job;
        _model = model;
        _parameters = [.. model.Trained];
        var names = model.named_parameters().ToDictionary(entry => entry.parameter.Handle, entry => entry.name);
        _names = [.. _parameters.Select(parameter => names[parameter.Handle])];
        if (job.Zero.Size == 1)
        {
            Owned = _parameters;
            foreach (var (name, extent) in model.Shards)
            {
                _shards.Add(name, new ParameterShard(name, extent));
            }
            return;
        }
        foreach (var piece in Pieces(_parameters, job.Zero.Size))
        {
            _pieces.Add(piece);
            if (piece.Owner != job.Zero.Rank)
            {
                continue;
            }
            // It shares the memory of the whole: what the optimizer moves is the model's weight.
            var part = new Parameter(piece.Tensor.detach().view(-1).narrow(0, piece.Start, piece.Elements));
            _own.Add((part, (Parameter)piece.Tensor, piece.Start));
            var name = names[piece.Tensor.Handle];
            var held = model.Shards.TryGetValue(name, out var cut) ? cut : ShardExtent.Whole(piece.Tensor.shape);
            _shards.Add(_ownModule.Add(name, part), new ParameterShard(name, held.Flat(piece.Start, piece.Elements)));
        }
        Owned = [.. _own.Select(own => own.Piece)];
    }

    public override IReadOnlyList<Parameter> Owned { get; }

    public override IStatePart StateOf(optim.Optimizer optimizer) =>
        new OptimizerPart(optimizer, _job.Zero.Size == 1 ? _model : _ownModule, _shards, _names);

    public override void Clear(optim.Optimizer optimizer)
    {
        foreach (var parameter in _parameters)
        {
            parameter.grad = null;
        }
    }

    public override void Combine()
    {
        // The gradients lie as the parameters do; all of them go at once.
        var gradients = _parameters.Select(parameter => parameter.grad!).ToArray();
        var pieces = Pieces(gradients, _job.Data.Size).ToArray();
        _job.Data.ReduceScatter(pieces, Reduction.Average);
        if (_job.Zero.Size < _job.Data.Size)
        {
            _job.Data.AllGather(pieces);
        }
        foreach (var (piece, whole, start) in _own)
        {
            piece.grad = whole.grad!.view(-1).narrow(0, start, piece.numel());
        }
    }

    public override (bool Overflow, float Loss) Agree(bool overflow, float loss)
    {
        using var both = tensor(new double[] { overflow ? 1 : 0, loss });
        _job.All.AllReduce(both, Reduction.Average);
        return (both[0].item<double>() > 0, (float)both[1].item<double>());
    }

    public override void Share() => _job.Zero.AllGather(_pieces);

    // All tensors in a row, cut into equal stretches; a stretch may end within a tensor.
    static IEnumerable<TensorPiece> Pieces(IReadOnlyList<Tensor> tensors, int ranks)
    {
        var total = tensors.Sum(tensor => tensor.numel());
        long before = 0;
        foreach (var tensor in tensors)
        {
            var length = tensor.numel();
            for (var rank = 0; rank < ranks; rank++)
            {
                var start = Math.Max(before, total * rank / ranks);
                var end = Math.Min(before + length, total * (rank + 1) / ranks);
                if (start < end)
                {
                    yield return new TensorPiece(tensor, start - before, end - start, rank);
                }
            }
            before += length;
        }
    }

    sealed class ParameterPieces() : nn.Module(nameof(ParameterPieces))
    {
        public string Add(string name, Parameter piece)
        {
            // Module names may hold no dots.
            var registered = name.Replace('.', '/');
            register_parameter(registered, piece);
            return registered;
        }
    }
}
