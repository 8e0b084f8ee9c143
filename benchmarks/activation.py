"""Cost of activation maps, beside Captum's, in the same run.

One thread, 264 ROIs and 750 loci, both views and classes: Grad-CAM, guided backpropagation, guided Grad-CAM and the
margin's gradient of every person, each peer in a process of its own. Per sample: Captum as its tutorials call it, one
person, class and kind of map at a time. Batched: the same with as many people a call as ours takes. The settings are
those for which the definitions coincide (the margin, ReLU on the map); SNP Grad-CAM is left out of the comparison of
values, since Captum stretches what ours maps back through the receptive field. max_abs_diff is relative to the largest
value of each kind of map. peak_rss_mb: the whole stage as the workflow runs it, --stage-people people in each of two
replicates, and, to show that it does not grow with their number, in one.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import measure

sys.path.insert(0, str(measure.ROOT / "src"))

ROIS, LOCI = 264, 750
LAYER = 2
METHODS = ("gradcam", "guided_backprop", "guided_gradcam", "margin_gradient")
STRETCH = {"connectivity": "bilinear", "snps": "linear"}
TRAIN = {
    "views": ["connectivity", "snps"],
    "dropout": 0.2,
    "block_order": "pool_bn_relu",
    "last_batch_norm": True,
    "input_scale": "none",
}
EXAMPLES = """examples:
  python benchmarks/activation.py                       some five minutes
  python benchmarks/activation.py --people 8 --stage-people 854
"""


def network_and_inputs(people, seed=0):
    """The network with weights and batch-norm statistics as after some training, and inputs of some people."""
    import torch

    from gcamccl.model.network import build

    torch.manual_seed(seed)
    model = build(ROIS, LOCI, TRAIN).eval()
    for name, values in model.state_dict().items():
        if name.endswith(("running_mean", "norm.bias")):
            values.normal_(0, 0.1)
        elif name.endswith("running_var"):
            values.uniform_(0.5, 2)
    half = 0.2 * torch.randn(people, 1, ROIS, ROIS)
    return model, {"connectivity": half + half.transpose(2, 3), "snps": torch.randint(0, 3, (people, 1, LOCI)).float()}


def ours(model, inputs, batch):
    """Our maps: dict of str to ndarray (people, 2, *inputs)."""
    import torch

    from gcamccl.activation.maps import view_maps
    from gcamccl.activation.project import projection

    found = {}
    for view, branch in model.branches.items():
        weights = torch.from_numpy(projection(branch.blocks[:LAYER], inputs[view].shape[-1])).float()
        pieces = [view_maps(branch, x, weights, LAYER, METHODS, "margin", "map") for x in inputs[view].split(batch)]
        found |= {f"{method}/{view}": torch.cat([piece[method] for piece in pieces]).numpy() for method in METHODS}
    return found


def captum(model, inputs, batch):
    """Captum's maps in the same form."""
    import warnings

    import torch
    from captum.attr import GuidedBackprop, GuidedGradCam, LayerAttribution, LayerGradCam, Saliency

    from gcamccl.activation.maps import class_scores

    warnings.filterwarnings("ignore", "Setting backward hooks on ReLU")

    class Margins(torch.nn.Module):
        def __init__(self, branch):
            super().__init__()
            self.branch = branch

        def forward(self, x):
            return class_scores(self.branch(x), "margin")

    found = {}
    for view, branch in model.branches.items():
        block, mode = branch.blocks[LAYER - 1], STRETCH[view]
        margins = Margins(branch)
        cam, fine = LayerGradCam(margins, block), GuidedGradCam(margins, block)

        def gradcam(x, target, cam=cam, mode=mode):
            cells = cam.attribute(x, target=target, relu_attributions=True)
            return LayerAttribution.interpolate(cells, x.shape[2:], interpolate_mode=mode)

        calls = {
            "gradcam": gradcam,
            "guided_backprop": GuidedBackprop(margins).attribute,
            "guided_gradcam": partial(fine.attribute, interpolate_mode=mode),
            "margin_gradient": partial(Saliency(margins).attribute, abs=False),
        }
        for method, call in calls.items():
            maps = []
            for x in inputs[view].split(batch):
                classes = [call(x.clone().requires_grad_(True), target=label)[:, 0].detach() for label in (0, 1)]
                maps.append(torch.stack(classes, 1))
            found[f"{method}/{view}"] = torch.cat(maps).numpy()
    return found


def stage(people, replicates):
    """The stage's work on a cohort of some people: what `workflow/scripts/activation.py` calls."""
    import numpy as np
    import pandas as pd

    from gcamccl.activation.run import TrainShard, write_maps
    from gcamccl.cohort import Cohort
    from gcamccl.model.storage import replicate_state, save
    from gcamccl.workflow.config import stage_defaults

    model, inputs = network_and_inputs(people)
    labels = (np.arange(people) % 2).astype(np.int8)
    cohort = Cohort(
        table=pd.DataFrame({"participant_id": [f"p{number}" for number in range(people)]}),
        fc=inputs["connectivity"][:, 0].numpy(),
        dosage=inputs["snps"][:, 0].numpy(),
        labels=labels[None],
        splits=np.tile((np.arange(people) % 7 == 0) * np.int8(2), (replicates, 1)),
        permutations=np.arange(people, dtype=np.int32)[None],
        people=pd.DataFrame(),
    )
    settings = {**stage_defaults("activation"), "people": "all", "checks": False}
    with tempfile.TemporaryDirectory() as folder:
        states = [replicate_state(model, number) for number in range(replicates)]
        save(Path(folder) / "models.safetensors", {name: t for state in states for name, t in state.items()})
        facts = [{"replicate": number, "split": number, "permutation": 0} for number in range(replicates)]
        shard = TrainShard(Path(folder) / "models.safetensors", TRAIN, facts)
        write_maps(Path(folder) / "maps.safetensors", cohort, [shard], settings)
        return (Path(folder) / "maps.safetensors").stat().st_size / 2**20


def child(args):
    """One measurement in this process; prints JSON."""
    import numpy as np
    import torch

    from gcamccl.memory import keep_freed_memory
    from gcamccl.workflow.job import limit_threads

    limit_threads(1)
    torch.set_num_threads(1)
    if args.child in ("ours", "stage"):
        keep_freed_memory()
    if args.child == "stage":
        size = stage(args.people, args.batch)
        result = {"file_mb": size}
    else:
        model, inputs = network_and_inputs(args.people)
        compute = ours if args.child == "ours" else captum
        compute(model, {view: x[:1] for view, x in inputs.items()}, 1)  # first calls load and choose kernels
        started = time.process_time()
        maps = compute(model, inputs, args.batch)
        result = {"cpu_s": time.process_time() - started}
        np.savez(args.save, **{name: values[: args.compared] for name, values in maps.items()})
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps(result))


def start(kind, people, batch, save, compared=4):
    """Run `child` in a process of its own."""
    words = [sys.executable, __file__, "--child", kind, "--people", people, "--batch", batch]
    return json.loads(measure.run([*words, "--save", save, "--compared", compared]).output.splitlines()[-1])


def main(words=None):
    """Measure and print."""
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--people", type=int, default=24, help="whose maps are made (default: 24)")
    p.add_argument("--batch", type=int, default=8, help="people a pass (default: 8, as the stage on a CPU)")
    p.add_argument("--repetitions", type=int, default=3, help="of each peer, in turn; medians are compared")
    p.add_argument("--stage-people", type=int, default=200, help="people of the whole stage (default: 200)")
    p.add_argument("--child", choices=("ours", "captum", "stage"), help=argparse.SUPPRESS)
    p.add_argument("--save", help=argparse.SUPPRESS)
    p.add_argument("--compared", type=int, default=4, help=argparse.SUPPRESS)
    args = p.parse_args(words)
    if args.child:
        return child(args)
    import numpy as np

    kinds = {
        "ours": ("ours", args.batch),
        "captum, batched": ("captum", args.batch),
        "captum, per sample": ("captum", 1),
    }
    costs = {name: [] for name in kinds}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.repetitions):
            for name, (kind, batch) in kinds.items():
                file = f"{folder}/{name}.npz"
                costs[name].append(start(kind, args.people, batch, file))
        maps = {name: dict(np.load(f"{folder}/{name}.npz")) for name in kinds}
        stages = [start("stage", args.stage_people, replicates, f"{folder}/stage") for replicates in (1, 2)]
    print(f"{args.people} people, {ROIS} ROIs, {LOCI} loci, both classes, {', '.join(METHODS)}; one thread")
    print(f"{'':22s}{'CPU s a person':>16s}{'peak MB':>10s}{'to ours':>9s}")
    cpu = {name: float(np.median([cost["cpu_s"] for cost in rows])) for name, rows in costs.items()}
    for name, rows in costs.items():
        peak = max(cost["peak_mb"] for cost in rows)
        print(f"{name:22s}{cpu[name] / args.people:16.3f}{peak:10.0f}{cpu[name] / cpu['ours']:9.2f}")
    difference = 0.0
    for name, values in maps["ours"].items():
        if not values.any() or name in ("gradcam/snps", "guided_gradcam/snps"):
            continue
        for peer in ("captum, batched", "captum, per sample"):
            theirs = maps[peer][name]
            difference = max(difference, float(np.abs(values - theirs).max() / np.abs(theirs).max()))
    one, two = stages
    print(
        f"the stage, {args.stage_people} people: peak {one['peak_mb']:.0f} MB with one replicate"
        f" ({one['file_mb']:.0f} MB of maps), {two['peak_mb']:.0f} MB with two ({two['file_mb']:.0f} MB)"
    )
    ratios = [cpu[name] / cpu["ours"] for name in ("captum, per sample", "captum, batched")]
    print(
        f"RESULT per_sample_ratio={ratios[0]:.2f} batched_ratio={ratios[1]:.2f} max_abs_diff={difference:.1e}"
        f" peak_rss_mb={two['peak_mb']:.0f}"
    )


if __name__ == "__main__":
    main()
