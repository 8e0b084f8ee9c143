"""Memory: the estimate against what is held, how many fit, and what is said when they do not."""

import numpy as np
import pytest
import torch
from tiny_cohort import tiny_cohort

from gcamccl.cohort import TRAIN
from gcamccl.memory import available
from gcamccl.model.dropout import step_keys
from gcamccl.model.loss import collaborative_loss
from gcamccl.train import job, memory
from gcamccl.train.data import Replicate, Staged
from gcamccl.train.fit import start
from gcamccl.train.job import staged_bytes, train_job
from gcamccl.train.optimiser import optimiser_state
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError

SETTINGS = stage_defaults("train")


def held_bytes(rois, loci, settings, arrangement, count):
    """Bytes of the storages that a forward pass leaves for the backward one, and of the state, measured."""
    people = settings["batch_size"] + 1
    rng = np.random.default_rng(0)
    fc = rng.normal(0, 1, (people + 2, rois, rois)).astype(np.float32)
    dosage = rng.integers(0, 3, (people + 2, loci)).astype(np.float32)
    parts = np.array([TRAIN] * people + [1, 2])
    chosen = [Replicate(n, 0, 0, n, parts, np.arange(people + 2) % 2) for n in range(count)]
    staged = Staged(fc, dosage, chosen, settings)
    state = start(staged, chosen, settings, arrangement)
    own = {parameter.untyped_storage().data_ptr() for parameter in state.network.parameters()}
    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = (storage.nbytes(), tensor)  # kept, so that no address is used twice
        return tensor

    rows = torch.arange(people).expand(count, people)
    state.network.set_keys(step_keys(range(count), [0])[0])
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = state.network.train()(staged.batch(rows, staged.places(chosen)))
        loss = collaborative_loss(logits, rows % 2)
    loss.sum().backward()
    state.optimiser.step()
    kept = [*state.network.stacked_state().values(), *state.best.values()]
    kept += [parameter.grad for parameter in state.network.parameters()]
    kept += optimiser_state(state.network, state.optimiser).values()
    return sum(size for size, _ in saved.values()), sum(tensor.numel() * tensor.element_size() for tensor in kept)


@pytest.mark.parametrize("arrangement", ["grouped", "gemm"])
@pytest.mark.parametrize(
    ("rois", "loci", "changes"),
    [
        (66, 150, {}),
        (40, 400, {"optimizer": "adamw"}),
        (50, 60, {"views": ["connectivity"]}),
        (9, 750, {"views": ["snps"]}),
    ],
)
def test_estimate_is_what_is_held(rois, loci, changes, arrangement):
    settings = {**SETTINGS, **changes}
    activations, weights = held_bytes(rois, loci, settings, arrangement, 2)
    estimate = memory.replicate_bytes((rois, loci), settings, arrangement)
    assert 0.9 < 2 * estimate["activations"] / activations < 1.5
    assert 1.0 < 2 * estimate["weights"] / weights < 1.4  # one copy more, for leaving replicates out


def test_how_many_fit():
    one = sum(memory.replicate_bytes((264, 750), SETTINGS).values())
    assert 50e6 < one < 200e6  # a replicate of the paper's size: some 0.1 GB
    assert memory.at_once_that_fit(10.5 * one, (264, 750), SETTINGS) == 10
    assert memory.at_once_that_fit(0.5 * one, (264, 750), SETTINGS) == 0
    # Never a tensor of 2^31 elements: the first convolution's output has 5 x 16 x 264 x 264 a replicate.
    assert memory.at_once_that_fit(1e15, (264, 750), SETTINGS) == (2**31 - 1) // (5 * 16 * 264 * 264)
    assert memory.at_once_that_fit(1e15, (264, 750), SETTINGS, "gemm") < 70


def test_choice_of_the_number_at_once():
    sizes, one = (264, 750), sum(memory.replicate_bytes((264, 750), SETTINGS).values())

    def choose(wish, device, free, count=1000):
        return memory.choose_at_once(wish, device, 100 << 20, sizes, SETTINGS, count, free)

    assert choose("auto", "cpu", 64 << 30) == 1
    assert choose("auto", "cuda", (100 << 20) + 20 * one / memory.SHARE + 1) == 20
    assert choose("auto", "cuda", 80 << 30, count=7) == 7
    assert choose(50, "cuda", 16 << 30) == 50
    assert choose(3, "cpu", 64 << 30) == 3
    with pytest.raises(InputError, match=r"50 replicates at once do not fit .* cpu; at most 5 would.*--at-once 5"):
        choose(50, "cpu", (100 << 20) + 5 * one + 1000)
    with pytest.raises(InputError, match=r"GiB are free, the cohort takes 0.10 GiB and one replicate"):
        choose("auto", "cpu", 110 << 20)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you"),
        MemoryError(),
    ],
)
def test_memory_that_is_full_is_one_readable_line(monkeypatch, error):
    def full(*arguments, **named):
        raise error

    monkeypatch.setattr(job, "train_replicates", full)
    monkeypatch.setattr(job, "free_memory", lambda device: 8 << 30)
    cohort = tiny_cohort(people=30)
    with pytest.raises(InputError, match=r"^run.replicates_at_once: 4 replicates at once do not fit .*at most 3 would"):
        train_job(cohort, range(4), SETTINGS, "cpu", at_once=4)
    with pytest.raises(
        InputError, match=r"^run.replicates_at_once: one replicate does not fit.*lower train.batch_size"
    ):
        train_job(cohort, range(1), SETTINGS, "cpu")


def test_bytes_of_the_cohort():
    cohort = tiny_cohort(people=30)
    cohort.fc[0, 1, 2] = cohort.fc[0, 2, 1] = np.nan
    chosen = [job.replicate_of(cohort, number, SETTINGS) for number in range(4)]
    assert Staged(cohort.fc, cohort.dosage, chosen, SETTINGS).bytes == sum(staged_bytes(cohort, 4, SETTINGS))
    staged = Staged(cohort.fc, cohort.dosage, chosen, SETTINGS)
    assert staged.arrays["connectivity"].data_ptr() == cohort.fc.ctypes.data  # on a CPU not copied


def test_results_that_do_not_fit_are_one_readable_line(monkeypatch):
    each = memory.result_bytes(342, (264, 750), SETTINGS)
    assert 2.5e6 < each < 5e6  # rules/common.smk, train_memory_mb: 5 MB a replicate
    memory.check_host(1000, each, 0, 1000 * each)
    with pytest.raises(InputError, match=r"1000 replicates need .* set run.replicates_per_job to 499 or less"):
        memory.check_host(1000, each, 0, 499.5 * each)
    cohort = tiny_cohort(people=30)
    monkeypatch.setattr(job, "free_memory", lambda device: 1 << 20)
    with pytest.raises(InputError, match=r"memory of the machine: 0.00 GiB are free, 4 replicates"):
        train_job(cohort, range(4), SETTINGS, "cpu")


def test_memory_that_is_free(tmp_path):
    assert 0 < available() < 1 << 50
    meminfo, group = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    group.write_text("0::/slurm/job_1\n")
    assert available(meminfo, group, tmp_path / "fs") == 8000 * 1024  # no limit known
    job_1 = tmp_path / "fs/slurm/job_1"
    job_1.mkdir(parents=True)
    (job_1 / "memory.max").write_text("max\n")
    (job_1 / "memory.current").write_text("1000\n")
    (job_1 / "memory.stat").write_text("inactive_file 300\nactive_file 200\n")
    assert available(meminfo, group, tmp_path / "fs") == 8000 * 1024
    (job_1 / "memory.max").write_text("500000\n")
    assert available(meminfo, group, tmp_path / "fs") == 500000 - 500
    for name, text in (("memory.max", "100000"), ("memory.current", "90000"), ("memory.stat", "anon 5\n")):
        (job_1.parent / name).write_text(text)  # the limit of the group above
    assert available(meminfo, group, tmp_path / "fs") == 10000
    assert available(tmp_path / "none", tmp_path / "none", tmp_path) == 1 << 62
