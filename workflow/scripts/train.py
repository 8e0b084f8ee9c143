"""Train gCAM-CCL for a range of replicates (random split x label permutation)."""

from pathlib import Path

from gcamccl.workflow import job

EXAMPLES = """python workflow/scripts/train.py --cohort results/latest/cohort --first 0 --last 9 --out DIR
  python workflow/scripts/train.py --cohort DIR --first 0 --last 0 --settings tuned_train.yaml --out DIR
  python workflow/scripts/train.py --cohort DIR --first 0 --last 1099 --device cuda --out DIR
The first 10 replicates; the true labels' split 0 with other settings (those of the section train, e.g. "epochs: 30");
all replicates of 100 splits with 10 permutations on a GPU. The same command again goes on from a killed one's
checkpoint (DIR/.checkpoint)."""


def number_at_once(word):
    """auto or a number from 1."""
    return word if word == "auto" else job.positive_integer(word)


def main():
    parser = job.parser("train", __doc__, EXAMPLES)
    parser.add_argument("--cohort", type=Path, required=True, metavar="DIR", help="artifact of cohort")
    parser.add_argument("--first", type=int, required=True, metavar="I", help="first replicate, from 0")
    parser.add_argument("--last", type=int, required=True, metavar="J", help="last replicate, included")
    parser.add_argument(
        "--halvings",
        type=int,
        metavar="P",
        help="train on the cohort's halvings instead of its splits, with P permutations",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--threads", type=job.positive_integer, default=1, metavar="N", help="CPU threads (default: 1)")
    parser.add_argument(
        "--at-once",
        type=number_at_once,
        default="auto",
        metavar="N",
        help="replicates side by side; auto (default): 1 on a CPU, on a GPU what its memory holds",
    )
    parser.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=5.0,
        metavar="M",
        help="minutes between checkpoints (default: 5; 0: after each epoch); a killed job goes on from the last one",
    )
    parser.add_argument(
        "--cuda-graphs", action="store_true", help="on a GPU, each step as one CUDA graph (default: no; not measured)"
    )
    args = parser.parse_args()
    job.limit_threads(args.threads)
    with job.run(args) as run:
        import numpy as np
        import pandas as pd
        import torch

        from gcamccl.cohort import HALVINGS, SPLITS
        from gcamccl.cohort_files import for_confirmation, input_files, read_cohort, require_views
        from gcamccl.device import choose_device, device_facts
        from gcamccl.memory import keep_freed_memory
        from gcamccl.model import storage
        from gcamccl.train.job import train_job
        from gcamccl.workflow.files import write_json

        keep_freed_memory()
        torch.set_num_threads(args.threads)
        run.reads(*input_files(args.cohort))
        cohort = read_cohort(args.cohort)
        if args.halvings is not None:
            run.reads(args.cohort / "halvings.npy")
            cohort = for_confirmation(args.cohort, cohort, args.halvings)
        require_views(cohort, run.settings["views"])
        device = choose_device(args.device)
        run.facts.update(device_facts(device), seed=run.settings["seed"])
        results, run.facts["replicates_at_once"] = train_job(
            cohort,
            range(args.first, args.last + 1),
            run.settings,
            device,
            args.at_once,
            run.checkpoint,
            args.checkpoint_minutes,
            run.say,
            args.cuda_graphs,
        )
        for result in results:
            result.facts["parts"] = SPLITS if args.halvings is None else HALVINGS
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
