"""config.json: what a run was asked for, written once, read with care."""
import dataclasses
import hashlib
import json
from pathlib import Path

from scratch.data.checks import check_integer
from scratch.models import BACKENDS, MODELS
from scratch.runs import files

KEYS    = dict(model=str, data=str, seed=int, steps=int, every=int, hyper=dict, shape=list, levels=(int, type(None)),
               examples=list, data_hash=str, environment=dict)
DECIDES = ("model", "seed", "hyper", "shape", "levels", "data_hash")     # what a state is a function of
LARGEST = 1 << 20


class ConfigError(ValueError):
    """A config.json that is missing, damaged, or of another version; the sentence names it and says what is wrong."""


def count(name, n):
    """n, an integer of at least 1."""
    return check_integer(n, name, 1)


def entry(name):
    """The row of MODELS."""
    if name not in MODELS:
        raise ValueError(f"model={name!r} is not known; choose one of {', '.join(MODELS)}.")
    return MODELS[name]


def model(name, hyper, data=None):
    """The model of these hyper-parameters, with the levels and the shape of the data unless told otherwise."""
    fields = {field.name for field in dataclasses.fields(entry(name).model)}
    for unknown in set(hyper) - fields:
        raise ValueError(f"{unknown}={hyper[unknown]!r} is no hyper-parameter of {name}; choose among "
                         f"{', '.join(sorted(fields))}.")
    hyper = MODELS[name].defaults | hyper
    if data is not None:
        hyper |= {key: getattr(data, key) for key in fields & {"levels", "shape"} if not hyper.get(key)}
    return MODELS[name].model(**{k: tuple(v) if isinstance(v, list) else v for k, v in hyper.items()})


def sampler(model, hyper, name):
    """The model with other hyper-parameters that matter to samples alone."""
    fields = {field.name for field in dataclasses.fields(model) if field.metadata["sampling"]}
    for unknown in set(hyper) - fields:
        raise ValueError(f"{unknown}={hyper[unknown]!r} does not change how {name} draws; "
                         f"{f'choose among ' + ', '.join(sorted(fields)) if fields else 'leave it out'}.")
    return dataclasses.replace(model, **hyper)


def write(folder, config):
    """config.json, whole or not at all."""
    files.write(Path(folder) / "config.json", json.dumps(config, indent=2, allow_nan=False).encode() + b"\n")


def read(folder):
    """The configuration of a run's folder. Raises ConfigError for what no run wrote."""
    path = Path(folder) / "config.json"
    try:
        if not path.is_file():
            raise ConfigError(f"{path} is not there; expected the folder of a run, as `scratch train` leaves it.")
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path} has {path.stat().st_size} bytes; expected at most {LARGEST}.")
        config = files.parse(path.read_text(encoding="utf-8"))
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged: {error or 'it is nested too deep'}.") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path} is damaged: it holds a {type(config).__name__}; expected an object.")
    if wrong := sorted(set(KEYS) ^ set(config)):
        raise ConfigError(f"{path} is damaged or of another version: {', '.join(wrong)} missing or not known.")
    for key, kind in KEYS.items():
        if not isinstance(config[key], kind) or isinstance(config[key], bool):
            raise ConfigError(f"{path} is damaged: {key} is {config[key]!r}.")
    try:
        count("steps", config["steps"]), count("every", config["every"])
        for name, n in (("shape", None), ("examples", 3)):
            if not config[name] or n not in (None, len(config[name])):
                raise ValueError(f"{name} is {config[name]!r}.")
            for each in config[name]:
                count(name, each)
        if config["environment"].get("backend") not in BACKENDS:
            raise ValueError(f"backend is {config['environment'].get('backend')!r}; expected {', '.join(BACKENDS)}.")
        model(config["model"], config["hyper"])
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return config


def fingerprint(config):
    """SHA-256 of what a state is a function of, besides its step."""
    return hashlib.sha256(json.dumps({key: config[key] for key in DECIDES}, sort_keys=True).encode()).hexdigest()
