"""Scripts of other people name commands and options: what was there once, stays."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from seewhy.cli.app import app

# Arguments, then options, of each command. Add to it; take nothing away.
KEPT = {
    "": "--version",
    "app": "--host --json --port",
    "cases build": "folder --classes --device --embedding --head --json --model --models --out --output --weights",
    "cases correspond": (
        "photos --classes --device --head --json --masks --method --model --models --out --output --points --seed "
        "--weights"
    ),
    "cases counterfactual": (
        "images --bands --cases --classes --device --embedding --head --json --model --out --output --seed --target "
        "--weights"
    ),
    "cases influence": (
        "images --bands --cases --classes --device --embedding --head --json --model --out --output --seed --top "
        "--weights"
    ),
    "cases parts": (
        "images --against --bands --cases --classes --device --head --json --model --out --output --parts --top "
        "--weights"
    ),
    "cases twins": (
        "images --bands --beside --cases --classes --device --embedding --head --json --model --out --output --top "
        "--weights"
    ),
    "compare": (
        "images --bands --cells --classes --device --head --json --masks --method --methods --metric "
        "--metrics --model --models --out --output --regions --seed --target --weights --without"
    ),
    "audit": (
        "--bands --classes --device --head --json --labels --masks --model --models --name --out --output --seed "
        "--weights --without photos"
    ),
    "repair": (
        "--classes --data --device --findings --head --json --masks --number --out --output --seed --ways --weights "
        "model"
    ),
    "judge": "findings number verdict --json --who --why",
    "dossier": "folder --concluded --data --device --json --model --purpose",
    "verify": "dossier --data --device --json --model --out --seal",
    "evaluate": (
        "folder --bands --classes --device --head --json --labels --method --model --models --out --output "
        "--regions --seed --shown --weights"
    ),
    "diff": "images --bands --check --device --findings --json --method --model --out --seed",
    "explain": (
        "images --background --bands --calibrate --classes --cmap --device --head --json --layer --method "
        "--methods --model --models --opacity --out --output --reference --regions --seed --set --target --top "
        "--weights"
    ),
    "explainer train": (
        "photos --asked --cells --classes --device --head --json --judged --long --model --models --objective --out "
        "--output --seed --steps --weights"
    ),
    "list layers": "pattern --classes --head --json --model --models --output --weights",
    "list methods": "pattern --json",
    "list metrics": "pattern --json",
    "list models": "pattern --json",
    "network axes": "images --bands --classes --count --device --head --json --model --models --out --output --weights",
    "network class": (
        "names --classes --device --head --images --json --model --models --out --output --rounds --seed --steps "
        "--weights"
    ),
    "network probe": (
        "images --bands --class --classes --device --head --json --model --models --out --output --seed --steps "
        "--weights"
    ),
    "network explain": (
        "images --bands --classes --clustering --concepts --device --head --json --layer --layers --model --models "
        "--out --output --seed --signed --target --weights"
    ),
    "network concepts build": (
        "images --bands --classes --count --device --head --json --layer --layers --model --models --out --output "
        "--seed --weights"
    ),
    "network concepts name": "folder concept word --json --player --refuse",
    "network concepts next": "folder --json --player",
    "network concepts propose": "folder --classes --device --head --json --model --models --output --weights",
    "network global": (
        "--bands --class --classes --concept --concepts --device --groups --head --images --json --model --models "
        "--out --output --random --seed --simulated --weights"
    ),
    "mcp": "--json",
    "people agreement": "--json --simulated",
    "people ban": "player --json --lift",
    "people export": "--json --out",
    "people forget": "player --json --yes",
    "people import": "source --images --json --player",
    "people leaderboard": "--json --simulated",
    "people rounds": (
        "images --classes --device --gold --head --json --layer --layers --model --models --output "
        "--overlap --seed --simulated --target --weights"
    ),
    "people simulate": "--careless --hostile --json --players --seed",
    "people words": "--classes --classic --device --encoder --head --json --model --output --simulated --weights",
    "predict": "images --classes --device --head --json --model --models --output --top --weights",
    "prototypes explain": "images --classes --device --head --json --model --out --output --refused",
    "prototypes train": (
        "folder --backbone --classes --copies --device --joint-steps --json --layer --lr --out --per-class --recipe "
        "--seed --trunk --warm-steps"
    ),
    "schema": "words --json",
    "study": (
        "folder --bands --batch-size --cells --control --device --executor --fail-fast --json --limit --maps --masks "
        "--method --methods --metric --metrics --model --models --out --overlay --ray-address --seed --so-far --status "
        "--threads --weights --workers"
    ),
    "train": (
        "folder --attention --attention-weight --augment --backbone --batch-size --class-weights --classes --device "
        "--epochs --few-shot --head-epochs --json --labels --lr --no-augment --out --patience --recipe --seed --split "
        "--weights"
    ),
}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    yield " ".join(path), {each for one in command.params for each in (*one.opts, *one.secondary_opts)}
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


@pytest.mark.parametrize("name", KEPT)
def test_no_command_and_no_option_is_lost(name):
    assert set(KEPT[name].split()) <= dict(commands(get_command(app)))[name]


def test_every_option_is_in_the_list():
    found = {name: options for name, options in commands(get_command(app)) if options}
    assert {name: set(text.split()) for name, text in KEPT.items()} == found, "put what is new into KEPT"
