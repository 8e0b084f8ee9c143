"""The configuration: read, checked against its schema, every error listed in one go."""

import contextlib
import json
import math
from pathlib import Path

import yaml

from gcamccl.workflow import impute_files
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json

PAPER = ROOT / "config" / "config.yaml"
# Of the study section: not needed where no genotypes are named and train.views does not ask for any.
GENETIC = {"genotypes", "gtex_eqtl", "gtex_expression", "gene_bodies", "gene_sets"}
# The folders of all jobs stand on one command line, of which Linux takes 131,072 bytes; a folder takes 51.
MOST_JOBS = 2000
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def read_yaml(path):
    """Read a mapping in YAML, or in JSON by the name's end; a broken file is an InputError naming the line."""
    # To PyYAML, JSON's 1e-05 is text.
    value = read_json(path) if Path(path).suffix == ".json" else _parse_yaml(path)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(path, "expected a mapping of settings")
    return value


def _parse_yaml(path):
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise InputError(path, f"{where}not YAML: {getattr(error, 'problem', error)}") from None


def merge(base, overlay):
    """`base` with `overlay` laid over it, mapping by mapping; lists and scalars are replaced."""
    result = dict(base)
    for key, value in overlay.items():
        result[key] = (
            merge(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
        )
    return result


def schema():
    """The configuration's JSON schema as a dict."""
    return read_yaml(SCHEMA)


def errors(config):
    """Every way in which `config` breaks the schema, one line each: the setting, what is wrong, what is allowed."""
    from jsonschema import Draft202012Validator

    lines = [f"{path}: {value} is not a finite number" for path, value in _not_finite(config)]
    for error in Draft202012Validator(schema()).iter_errors(config):
        path = ".".join(map(str, error.absolute_path)) or "config"
        if error.validator == "additionalProperties":
            known = ", ".join(sorted(error.schema.get("properties", {})))
            extra = sorted(set(error.instance) - set(error.schema.get("properties", {})))
            lines += [f"{path}.{key}: unknown key; known here: {known}".removeprefix("config.") for key in extra]
        elif error.validator == "required":
            missing = [key for key in error.validator_value if key not in error.instance]
            lines += [f"{path}.{key}: missing".removeprefix("config.") for key in missing]
        else:
            lines.append(f"{path}: {error.message}{_number_in_words(error)}")
    return sorted(set(lines)) or _across(config)


def _number_in_words(error):
    """What to write where YAML took a number for text: 1e-5 needs a point, a quoted one no quotes."""
    if error.validator == "type" and isinstance(error.instance, str):
        with contextlib.suppress(ValueError):
            mantissa, _, exponent = repr(float(error.instance)).partition("e")
            point = "" if "." in mantissa else ".0"
            return f"; to YAML this is text, write {mantissa}{point}{f'e{exponent}' if exponent else ''}"
    return ""


def _not_finite(value, path=""):
    """Places of NaN and infinity, which JSON schema bounds let through."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _not_finite(inner, f"{path}.{key}".removeprefix("."))


def _across(config):
    """Rules that tie several settings together, checked once each is right by itself."""
    lines = []
    parts = (
        config["cohort"]["train_fraction"] + config["cohort"]["validation_fraction"] + config["cohort"]["test_fraction"]
    )
    if abs(parts - 1) > 1e-9:
        lines.append(f"cohort: train_fraction, validation_fraction and test_fraction add up to {parts:g}, not 1")
    if config["connectivity"]["high_hz"] <= config["connectivity"]["low_hz"]:
        lines.append("connectivity.high_hz: must be above connectivity.low_hz")
    if config["threshold"]["method"] not in config["activation"]["methods"]:
        lines.append(f"threshold.method: {config['threshold']['method']} is not among activation.methods")
    replicates = config["cohort"]["splits"] * (1 + config["cohort"]["permutations"])
    jobs = -(-replicates // config["run"]["replicates_per_job"])
    if jobs > MOST_JOBS:
        lines.append(
            f"run.replicates_per_job: {replicates} replicates are {jobs} jobs of train; at most {MOST_JOBS}: write at"
            f" least {-(-replicates // MOST_JOBS)}"
        )
    study = config["study"]
    if config["enrichment"]["background"] == "file" and not study["background_genes"]:
        lines.append("study.background_genes: missing, but enrichment.background is file")
    genotyped = study["simulated"] or bool(study["genotypes"]) or "snps" in config["train"]["views"]
    if genotyped:
        lines += impute_files.errors(config["impute"]["method"], study)
    if not study["simulated"]:
        optional = {"simulated", "known_positions", "reference_panel", "genetic_map", "imputed", "gtex_lookup"}
        optional |= {"background_genes", "symbol_updates"}
        if not genotyped:
            optional |= GENETIC
        lines += [
            f"study.{key}: missing; name the file, or set study.simulated: true"
            for key, value in study.items()
            if key not in optional and value in (None, [])
        ]
    return lines


def check(config, where="config"):
    """Raise one InputError that lists all errors of `config`, if it has any."""
    found = errors(config)
    if found:
        count = f"{len(found)} error" + "s" * (len(found) > 1)
        raise InputError(where, f"{count} in the configuration\n  " + "\n  ".join(found))
    return config


def load(*overlays):
    """The paper's configuration with overlay files laid over it, checked."""
    config = read_yaml(PAPER)
    for path in overlays:
        config = merge(config, read_yaml(path))
    return check(config, where=" + ".join(map(str, overlays)) or PAPER)


def stage_defaults(stage, settings=None):
    """Settings of one stage: the paper's, with those in the file `settings` (YAML or JSON) laid over them."""
    overlay = read_yaml(settings) if settings else {}
    return check(merge(read_yaml(PAPER), {"study": {"simulated": True}, stage: overlay}), settings or PAPER)[stage]


def plain(config):
    """`config` as plain dicts and lists with no trace of the reader's own types (Snakemake hands over ordered ones)."""
    return json.loads(json.dumps(config))


def typed(config):
    """`config` with numbers, true, false and null where text stands for them and the schema wants no text.

    Snakemake reads what stands inside braces of ``--config "run={people_per_job: 8}"``, and of a profile's ``config``,
    as text.
    """
    from jsonschema import Draft202012Validator

    config = _without_null_in_words(plain(config))
    for error in Draft202012Validator(schema()).iter_errors(config):
        if error.validator in ("type", "pattern", "enum") and isinstance(error.instance, str):
            with contextlib.suppress(ValueError):  # words
                value = json.loads(error.instance)
                if isinstance(value, bool | int | float):
                    place = config
                    for key in list(error.absolute_path)[:-1]:
                        place = place[key]
                    place[error.absolute_path[-1]] = value
    return config


def _without_null_in_words(value):
    """The text "null" as None, wherever it stands: no name or path of anybody's is called so."""
    if isinstance(value, dict):
        return {key: _without_null_in_words(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_null_in_words(inner) for inner in value]
    return None if value == "null" else value
