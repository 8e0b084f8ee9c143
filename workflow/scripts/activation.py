"""Activation maps of the held-out people: Grad-CAM, guided backpropagation, guided Grad-CAM, per person and class."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "activation",
        __doc__,
        "python workflow/scripts/activation.py --cohort DIR --train DIR/replicates-0-9 --out DIR",
    )
    parser.add_argument("--cohort", type=Path, required=True, metavar="DIR", help="artifact of cohort")
    parser.add_argument(
        "--train", type=Path, required=True, nargs="+", metavar="DIR", help="shards of train, or their folder"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--threads", type=job.positive_integer, default=1, metavar="N", help="CPU threads (default: 1)")
    args = parser.parse_args()
    job.limit_threads(args.threads)
    with job.run(args) as run:
        import numpy as np
        import torch
        from safetensors.numpy import save_file

        from gcamccl.activation.run import read_shards, shard_files, shard_maps
        from gcamccl.cohort_files import input_files, read_cohort
        from gcamccl.device import choose_device, device_facts

        torch.set_num_threads(args.threads)
        run.reads(*input_files(args.cohort))
        cohort = read_cohort(args.cohort)
        shards = read_shards(args.train)
        run.reads(*(path for shard in shards for path in shard_files(shard.models.parent)))
        device = choose_device(args.device)
        run.facts.update(device_facts(device))
        # TF32, torch's default for convolutions on CUDA, keeps 10 bits: too few for maps that are compared.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            maps, people, histograms = shard_maps(cohort, shards, run.settings, device, run.say)
        save_file({name: np.ascontiguousarray(values) for name, values in maps.items()}, run.path("maps.safetensors"))
        people.to_parquet(run.path("people.parquet"), index=False)
        np.savez_compressed(run.path("histograms.npz"), **histograms)


if __name__ == "__main__":
    main()
