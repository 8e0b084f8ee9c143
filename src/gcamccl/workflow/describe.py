"""Prints ``config/README.md`` from the configuration's schema: ``python -m gcamccl.workflow.describe``."""

import json

from gcamccl.workflow.config import PAPER, read_yaml, schema

HEAD = """# Configuration

`config.yaml` is the paper as printed; the other files are overlays that name only what differs from it:

    snakemake --cores 2 --configfile config/demo.yaml
    snakemake --cores 8 --configfile my_study.yaml stricter.yaml     # laid over each other in this order

Settings are checked before anything runs; all errors are listed at once, unknown keys are refused. How to run (cores,
memory, scheduler) is not here but in `profiles/`.

This page is made from `workflow/schemas/config.schema.yaml`:
`python -m gcamccl.workflow.describe > config/README.md`.
"""


def _allowed(entry, definitions):
    """What a setting may be, in a few words."""
    if "$ref" in entry:
        name = entry["$ref"].rsplit("/", 1)[1]
        words = {"path": "path or null", "paths": "list of paths", "seed": "integer", "fraction": "0 to 1"}
        words |= {"positive": "number > 0", "count": "integer >= 1"}
        return words[name] if name in words else _allowed(definitions[name], definitions)
    if "enum" in entry:
        return ", ".join(json.dumps(value).strip('"') for value in entry["enum"])
    kind = entry["type"]
    if kind == "array":
        return "list of " + _allowed(entry["items"], definitions)
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {entry[key]:g}" for key, sign in bounds.items() if key in entry)
    kinds = [kind] if isinstance(kind, str) else kind
    word = entry.get("pattern", "").strip("^$")
    if len(kinds) > 1 and word.isalpha():  # a number or one word
        kinds = [word if name == "string" else name for name in kinds]
    return " or ".join(f"{name} {limits}".strip() if name not in ("null", word) else name for name in kinds)


def config_readme():
    """Text of ``config/README.md``: a table a section with each key's meaning, values and the paper's setting."""
    described, paper = schema(), read_yaml(PAPER)
    parts = [HEAD]
    for section, entry in described["properties"].items():
        parts += [f"\n## {section}\n\n{entry['description']}\n"]
        parts += ["| key | meaning | allowed | in config.yaml |\n|---|---|---|---|"]
        for key, value in entry["properties"].items():
            default = json.dumps(paper[section][key])
            default = default if len(default) < 60 else default[:57] + "..."
            parts.append(f"| `{key}` | {value['description']} | {_allowed(value, described['$defs'])} | `{default}` |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(config_readme(), end="")
