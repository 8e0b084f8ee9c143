"""Cost of training gCAM-CCL, beside the loop most people write, in the same run.

On a CPU, one thread, --people people to train on: CPU seconds of an epoch and of a whole training with validation and
the best weights kept, loops and repetitions alternating in processes of their own. The peer is eager PyTorch with a
Dataset and a DataLoader, once with our network's block (convolution, pool, batch norm, ReLU: the same function, its
weights are compared) and once with the block as mostly written (convolution, batch norm, ReLU, pool). The ratios of the
last line are to the first. Two more rows say what a plain loop gains from two of our means, glibc told to keep freed
memory and channels-last memory order. On a GPU, wall-clock seconds: one replicate at a time by the plain loop and by
ours, and many side by side in each arrangement; replicates an hour, share of the card's fp32 peak, tf32 and bf16 for
information. max_abs_diff: largest difference between the weights of replicates trained side by side and alone.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import measure
import train_loops

sys.path.insert(0, str(measure.ROOT / "src"))

ROIS, LOCI = 264, 750
RUN_EPOCHS = 500  # Table II
PEAK_TFLOPS = 67.0  # fp32 of an H100 or H200 SXM without tensor cores, NVIDIA's data sheet
PLAN = (100, 11, 100)  # splits, label rows, epochs: what should take an hour
EXAMPLES = """examples:
  python benchmarks/train.py                                    CPU: some ten minutes; GPU: at most ten
  python benchmarks/train.py --device cpu --repetitions 1       quicker
  python benchmarks/train.py --device cuda --at-once 1 8 32 128 512
"""


def spread(values, scale=1.0):
    """Median, smallest and largest as text."""
    middle = statistics.median(values) * scale
    return f"{middle:10.2f}{f'{min(values) * scale:.2f} to {max(values) * scale:.2f}':>18}"


def versions():
    """Processor, system, Python and torch."""
    import torch

    processor = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    vectors, python = torch.backends.cpu.get_cpu_capability(), platform.python_version()
    return f"{processor} ({vectors}), {platform.system()}, Python {python}, torch {torch.__version__}"


# --- CPU --------------------------------------------------------------------------------------------------------------

KINDS = {  # name -> arguments of train_loops.py, label
    "ours": (["ours"], "gcamccl.train"),
    "plain": (["plain"], "plain loop, same block order"),
    "usual": (["usual"], "plain loop, usual block order"),
    "kept": (["plain", "--keep-freed-memory"], "plain, same order, our allocator settings"),
    "tuned": (["plain", "--keep-freed-memory", "--channels-last"], "the same, model.to(channels_last)"),
}
MORE = ("usual", "kept", "tuned")


def run_kind(kind, args, weights):
    """What one process of `train_loops.py` found."""
    words = [f"--{name}={getattr(args, name)}" for name in ("people", "rois", "loci", "epochs")]
    words += [] if kind in ("kept", "tuned") else [f"--complete={args.complete}"]
    words += [f"--weights={weights}"] if weights else []
    cost = measure.run([sys.executable, Path(train_loops.__file__), *KINDS[kind][0], *words])
    return json.loads(cost.output.splitlines()[-1])


def compare_weights(folder, moved):
    """Largest difference of ours to the plain loop's weights of convolutions, and how far training moved them."""
    import numpy as np

    ours, plain = np.load(folder / "ours.npz"), np.load(folder / "plain.npz")
    names = [name for name in ours.files if "conv.weight" in name]
    return max(float(np.abs(ours[name] - plain[name]).max()) for name in names), moved


def cpu_part(args):
    """Print the table of the CPU; returns the ratios of an epoch and of a whole training."""
    found = {kind: [] for kind in KINDS if kind in ("ours", "plain", *args.loops)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for repetition in range(args.repetitions):
            for kind in found if repetition % 2 == 0 else reversed(found):
                weights = folder / f"{kind}.npz" if repetition == 0 and kind in ("ours", "plain") else None
                found[kind].append(run_kind(kind, args, weights))
        difference, moved = compare_weights(folder, found["ours"][0]["moved"])
    epochs = {kind: [s for one in runs for s in one["epoch_s"]] for kind, runs in found.items()}
    whole = {kind: [one["complete_s"] for one in runs if "complete_s" in one] for kind, runs in found.items()}
    middle = {kind: statistics.median(values) for kind, values in epochs.items()}
    rates = {kind: 3600 / statistics.median(values) for kind, values in whole.items() if values}
    print(
        f"cpu, one thread, {args.people} people to train on, {args.rois} ROIs, {args.loci} loci, batch 4;"
        f" a training of {args.complete} epochs with validation, then predictions (plain: of the test part, ours: of"
        f" everybody); {args.repetitions} repetitions"
    )
    print(f"{'':44}{'CPU s/epoch':>11}{'from, to':>17}{'ratio':>7}{'trainings/CPU h':>17}{'ratio':>7}{'peak MB':>9}")
    for kind in found:
        rate = f"{rates[kind]:17.1f}{rates['ours'] / rates[kind]:7.2f}" if kind in rates else " " * 24
        peak = max(one["peak_mb"] for one in found[kind])
        print(f"{KINDS[kind][1]:45}{spread(epochs[kind])}{middle[kind] / middle['ours']:7.2f}{rate}{peak:9.0f}")
    print(
        "same network, start and order of people, dropout off, the paper's rate: largest difference of a convolution's"
        f" weight after an epoch {difference:.1e}, where training moved them by up to {moved:.1e}"
    )
    return middle["plain"] / middle["ours"], rates["ours"] / rates["plain"]


# --- side by side, CPU or GPU -----------------------------------------------------------------------------------------


def sides_differ(args, device, arrangement, people, make_step, epochs=2, at_once=3):
    """Largest difference of any weight between replicates trained side by side and one by one, at the paper's settings.

    Returns
    -------
    difference, moved : float
        And how far training moved the convolutions' weights.
    """
    from gcamccl.train.fit import fresh_network
    from gcamccl.train.replicates import train_replicates

    cohort = train_loops.make_cohort(people, args.rois, args.loci, permutations=at_once - 1)
    settings, numbers = train_loops.settings_of(epochs), range(at_once)
    alone = train_replicates(cohort, numbers, settings, device)
    beside = train_replicates(cohort, numbers, settings, device, at_once, arrangement, make_step=make_step())
    difference = moved = 0.0
    for one, other in zip(alone, beside, strict=True):
        start = fresh_network((args.rois, args.loci), settings, one.facts["seed"]).state_dict()
        for name, weight in one.weights.items():
            difference = max(difference, float((weight.double() - other.weights[name].double()).abs().max()))
            if "conv.weight" in name:
                moved = max(moved, float((weight - start[name.split("/")[1]]).abs().max()))
    return difference, moved


def flops_a_person(rois, loci):
    """Floating-point operations of the plain network for one person, forward and backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model = train_loops.plain_network(rois, loci, "pool_bn_relu", 0.0)
    with FlopCounterMode(display=False) as counter:
        logits = model(torch.zeros(2, 1, rois, rois), torch.zeros(2, 1, loci))
        train_loops.plain_loss(*logits, torch.tensor([0, 1])).backward()
    return counter.get_total_flops() / 2


def seconds(function, device, times=1):
    """Wall-clock s of a call, the device's work included."""
    import torch

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    for _ in range(times):
        function()
    wait()
    return (time.perf_counter() - started) / times


def plain_seconds(cohort, device, order):
    """Wall-clock s of the plain loop's epoch, and of one with validation and a copy of the weights."""
    loop = train_loops.Plain(cohort, train_loops.settings_of(1), order, device)
    loop.epoch()
    epoch = seconds(loop.epoch, device, 2)
    return epoch, epoch + seconds(lambda: loop.predict(loop.validation), device)


def our_seconds(cohort, device, arrangement, at_once, make_step):
    """Wall-clock s of an epoch of `at_once` replicates, of one with validation, and peak memory (GB; 0 on a CPU)."""
    import torch

    settings = train_loops.settings_of(RUN_EPOCHS)
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    loop = train_loops.Ours(cohort, settings, range(at_once), device, arrangement, make_step())
    loop.epoch_and_validation()  # chooses kernels, fills the allocator's pool
    epoch = seconds(loop.epoch, device)
    both = seconds(loop.epoch_and_validation, device)
    return epoch, both, torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else 0.0


def precisions(args, device, people):
    """Rows of (name, s an epoch, largest difference of a convolution's weight to fp32), 8 replicates, grouped."""
    import torch

    cohort = train_loops.make_cohort(people, args.rois, args.loci, permutations=7)
    settings = train_loops.settings_of(1, learning_rate=1e-3, dropout=0.0)
    rows, reference = [], None
    for name in ("fp32", "tf32", "bf16"):
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        loop = train_loops.Ours(cohort, settings, range(8), device, "grouped")
        with torch.autocast(device, torch.bfloat16, enabled=name == "bf16", cache_enabled=False):
            loop.epoch()
            weights = {key: value.clone() for key, value in loop.state.network.stacked_state().items()}
            taken = seconds(loop.epoch, device)
        reference = reference or weights
        names = [key for key in weights if "conv.weight" in key]
        rows.append((name, taken, max(float((weights[key] - reference[key]).abs().max()) for key in names)))
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return rows


def variants(device):
    """Arrangement -> ways of taking a step: name, and what gives a fresh `make_step`."""
    from gcamccl.train.fit import eager_step
    from gcamccl.train.graphs import GraphedSteps

    ways = [("eager", lambda: eager_step)]
    if device == "cuda":
        ways.append(("graph", GraphedSteps))
    return dict.fromkeys(("grouped", "gemm"), ways)


def gpu_part(args, device):
    """Print the table of the GPU; returns the ratios of an epoch and of a training to the plain loop, a replicate."""
    import torch

    from gcamccl.device import choose_device, full_precision

    stop = time.monotonic() + 60 * args.minutes
    cohort = train_loops.make_cohort(args.people, args.rois, args.loci, permutations=max(args.at_once) - 1)
    plain = {order: plain_seconds(cohort, device, order) for order in ("pool_bn_relu", "bn_relu_pool")}
    choose_device(device)  # deterministic from here on, as the train program computes
    tera = flops_a_person(args.rois, args.loci) * args.people / 1e12  # an epoch of one replicate
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    print(
        f"{name}, {args.people} people to train on, {args.rois} ROIs, {args.loci} loci, batch 4; wall-clock; floor of"
        f" {RUN_EPOCHS} epochs: {tera * RUN_EPOCHS:.0f} TFLOP, {tera * RUN_EPOCHS / PEAK_TFLOPS:.1f} s at"
        f" {PEAK_TFLOPS:g} TFLOP/s fp32"
    )
    print(
        f"{'':38}{'at once':>8}{'s/epoch':>9}{'+ valid.':>9}{f'trainings/h of {RUN_EPOCHS}':>21}{'ratio':>7}"
        f"{'% of peak':>10}{'GB':>6}"
    )

    def row(label, count, epoch, both, gigabytes=None):
        rate = 3600 * count / (both * RUN_EPOCHS)
        ratio = rate / (3600 / (plain["pool_bn_relu"][1] * RUN_EPOCHS))
        share = 100 * tera * count / epoch / PEAK_TFLOPS
        memory = "" if gigabytes is None else f"{gigabytes:6.1f}"
        print(f"{label:38}{count:8}{epoch:9.3f}{both:9.3f}{rate:21.1f}{ratio:7.2f}{share:10.2f}{memory}", flush=True)

    row("plain loop, same block order (tf32)", 1, *plain["pool_bn_relu"])
    row("plain loop, usual block order (tf32)", 1, *plain["bn_relu_pool"])
    tried = []
    jobs = [("alone", *way, 1) for way in variants(device)["grouped"]]
    for count in sorted(args.at_once):
        jobs += [(one, way, step, count) for one, ways in variants(device).items() for way, step in ways]
    with full_precision():
        for arrangement, way, step, count in jobs:
            label = f"ours, fp32, {arrangement}, {way}"
            if time.monotonic() > stop:
                print(f"{label:38}{count:8}  left out: {args.minutes:g} minutes are over")
                continue
            try:
                epoch, both, gigabytes = our_seconds(cohort, device, arrangement, count, step)
            except torch.cuda.OutOfMemoryError:
                print(f"{label:38}{count:8}  does not fit into memory")
                continue
            except RuntimeError as error:  # of one variant; the others are still worth measuring
                print(f"{label:38}{count:8}  failed: {str(error).splitlines()[0]}")
                continue
            row(label, count, epoch, both, gigabytes)
            tried.append((both / count, epoch / count, arrangement, way, count))
    both, epoch, arrangement, way, count = min(tried)
    splits, rows, epochs = PLAN
    print(
        f"fastest: {arrangement}, {way}, {count} at once; {splits} splits x {rows} label rows x {epochs} epochs:"
        f" {both * splits * rows * epochs / 60:.0f} minutes"
    )
    for name, taken, difference in precisions(args, device, args.people):
        print(
            f"{name}, grouped, eager, 8 at once: {taken:.3f} s/epoch; weights after one epoch at rate 0.001 differ from"
            f" fp32 by up to {difference:.1e}"
        )
    return plain["pool_bn_relu"][0] / epoch, plain["pool_bn_relu"][1] / both


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    parser.add_argument("--people", type=int, default=240, metavar="N", help="to train on; default: %(default)s")
    parser.add_argument("--rois", type=int, default=ROIS, metavar="N", help="default: %(default)s")
    parser.add_argument("--loci", type=int, default=LOCI, metavar="N", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=2, metavar="N", help="CPU: timed a process; default: %(default)s")
    parser.add_argument("--complete", type=int, default=5, metavar="N", help="CPU: epochs of the whole training")
    parser.add_argument("--repetitions", type=int, default=2, metavar="N", help="CPU; default: %(default)s")
    parser.add_argument("--loops", nargs="*", choices=MORE, default=MORE, help="CPU: more peers")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 8, 32, 128], metavar="N", help="GPU")
    parser.add_argument("--minutes", type=float, default=7, help="GPU: no new row after these; default: %(default)s")
    args = parser.parse_args(argv)
    import torch

    wish = args.device
    device = ("cuda" if torch.cuda.is_available() else "cpu") if wish == "auto" else wish
    if device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device")
    print(versions())
    if device == "cpu":
        torch.set_num_threads(1)
        ratios = cpu_part(args)
    else:
        ratios = gpu_part(args, device)
    differences = {}
    for arrangement, ways in variants(device).items():
        for way, step in ways:
            key = f"{arrangement}, {way}"
            try:
                differences[key] = sides_differ(args, device, arrangement, min(args.people, 24), step)
            except RuntimeError as error:
                print(f"3 replicates side by side ({key}) failed: {str(error).splitlines()[0]}")
    for key, (difference, moved) in differences.items():
        print(
            f"3 replicates side by side ({key}) and alone, 2 epochs: weights differ by up to {difference:.1e}, where"
            f" training moved them by up to {moved:.1e}"
        )
    print(
        f"RESULT device={device} epoch_ratio={ratios[0]:.2f} replicate_ratio={ratios[1]:.2f}"
        f" max_abs_diff={max(differences.values())[0]:.1e}"
    )


if __name__ == "__main__":
    main()
