"""Train gCAM-CCL for a range of replicates (random split x label permutation)."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser("train", __doc__, "python workflow/scripts/train.py --cohort DIR --first 0 --last 9 --out DIR")
    parser.add_argument("--cohort", type=Path, required=True, metavar="DIR", help="artifact of cohort")
    parser.add_argument("--first", type=int, required=True, metavar="I", help="first replicate, from 0")
    parser.add_argument("--last", type=int, required=True, metavar="J", help="last replicate, included")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (default: 1)")
    args = parser.parse_args()
    job.limit_threads(args.threads)
    with job.run(args) as run:
        import numpy as np
        import pandas as pd
        import torch

        from gcamccl.cohort_files import input_files, read_cohort, replicate_parts, require_views
        from gcamccl.device import choose_device, device_facts
        from gcamccl.memory import keep_freed_memory
        from gcamccl.model import storage
        from gcamccl.train.replicates import Progress, train_replicate
        from gcamccl.workflow.errors import InputError
        from gcamccl.workflow.files import write_json

        keep_freed_memory()
        torch.set_num_threads(args.threads)
        run.reads(*input_files(args.cohort))
        cohort = read_cohort(args.cohort)
        numbers = range(args.first, args.last + 1)
        if not numbers:
            raise InputError("--first and --last", f"{args.first} to {args.last} is no range of replicates")
        for number in (args.first, args.last):
            replicate_parts(cohort, number)
        device = choose_device(args.device)
        run.facts.update(device_facts(device), seed=run.settings["seed"])
        require_views(cohort, run.settings["views"])
        sizes = ", ".join(f"{n} {what}" for n, what in ((cohort.n_rois, "ROIs"), (cohort.n_loci, "loci")) if n)
        run.say(f"{len(cohort.table)} people, {sizes}; replicates {args.first} to {args.last} on {device}")
        progress = Progress(run.say, numbers, run.settings["epochs"])
        results = []
        for number in numbers:
            results.append(train_replicate(cohort, number, run.settings, device, progress.epoch))
            facts = results[-1].facts
            run.say(f"replicate {number}: {facts['epochs']} epochs, best is {facts['best_epoch'] + 1}")
        filled = max(result.facts["input_scale"]["filled_values"] for result in results)
        if filled:
            run.say(f"{filled} missing connections filled by the training part's mean (replicates.json)")
        storage.save(
            run.path("models.safetensors"),
            {name: tensor for result in results for name, tensor in result.weights.items()},
        )
        predictions = pd.concat([result.predictions for result in results], ignore_index=True)
        predictions.to_parquet(run.path("predictions.parquet"), index=False)
        history = pd.concat([result.history for result in results], ignore_index=True)
        history.to_parquet(run.path("history.parquet"), index=False)
        np.savez(
            run.path("embeddings.npz"),
            **{f"{result.facts['replicate']:04d}": result.embeddings for result in results},
        )
        write_json(run.path("replicates.json"), [result.facts for result in results])


if __name__ == "__main__":
    main()
