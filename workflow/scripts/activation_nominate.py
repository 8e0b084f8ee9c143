"""What networks trained on one half of the people name, and in which direction: for the calibrated selection."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "activation",
        __doc__,
        "python workflow/scripts/activation_nominate.py --cohort DIR --train DIR/halvings-0-9 --out DIR",
    )
    parser.add_argument("--cohort", type=Path, required=True, metavar="DIR", help="artifact of cohort")
    parser.add_argument(
        "--train", type=Path, required=True, nargs="+", metavar="DIR", help="shards of train, of networks on halves"
    )
    parser.add_argument(
        "--permutations",
        type=int,
        default=0,
        metavar="P",
        help="label permutations used with the halvings (default: 0)",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--threads", type=job.positive_integer, default=1, metavar="N", help="CPU threads (default: 1)")
    args = parser.parse_args()
    job.limit_threads(args.threads)
    with job.run(args) as run:
        import torch
        from safetensors.numpy import save_file

        from gcamccl.activation.nominate import nominations
        from gcamccl.activation.run import read_shards, shard_files
        from gcamccl.cohort_files import for_confirmation, input_files, read_cohort
        from gcamccl.device import choose_device, device_facts, full_precision
        from gcamccl.memory import keep_freed_memory

        torch.set_num_threads(args.threads)
        keep_freed_memory()
        run.reads(*input_files(args.cohort), args.cohort / "halvings.npy")
        cohort = for_confirmation(args.cohort, read_cohort(args.cohort), args.permutations)
        shards = read_shards(args.train, "halvings")
        run.reads(*(path for shard in shards for path in shard_files(shard.models.parent)))
        device = choose_device(args.device)
        run.facts.update(device_facts(device))
        with full_precision():
            found = nominations(cohort, shards, run.settings, device, run.say)
        save_file(found, run.path("nominations.safetensors"), {"label_rows": str(len(cohort.labels))})


if __name__ == "__main__":
    main()
