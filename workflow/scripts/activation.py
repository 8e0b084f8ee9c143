"""Activation maps per person and class: Grad-CAM, guided backpropagation, guided Grad-CAM, gradients; checks."""

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
        import torch
        from safetensors.numpy import save_file

        from gcamccl.activation.run import read_shards, shard_files, write_maps
        from gcamccl.cohort_files import input_files, read_cohort
        from gcamccl.device import choose_device, device_facts
        from gcamccl.memory import keep_freed_memory

        torch.set_num_threads(args.threads)
        keep_freed_memory()
        run.reads(*input_files(args.cohort))
        cohort = read_cohort(args.cohort)
        shards = read_shards(args.train)
        run.reads(*(path for shard in shards for path in shard_files(shard.models.parent)))
        device = choose_device(args.device)
        run.facts.update(device_facts(device))
        # TF32, torch's default for convolutions on CUDA, keeps 10 bits: too few for maps that are compared.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            *tables, untrained = write_maps(run.path("maps.safetensors"), cohort, shards, run.settings, device, run.say)
        for name, table in zip(("people", "peaks", "checks"), tables, strict=True):
            table.to_parquet(run.path(f"{name}.parquet"), index=False)
        save_file(untrained, run.path("untrained.safetensors"))


if __name__ == "__main__":
    main()
