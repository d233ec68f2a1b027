"""`instar completion`: the script that teaches a shell to complete commands, options and names."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.options import verb

EXAMPLES = """
instar completion bash >> ~/.bashrc
instar completion zsh > ~/.zfunc/_instar       a folder of $fpath
instar completion fish > ~/.config/fish/completions/instar.fish
"""
VARIABLE = "_INSTAR_COMPLETE"
"""The environment variable by which the script asks: click's own for a program of this name."""


@verb("completion", examples=EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def command(folder: Path, shell: str, as_json: bool, verbose: bool) -> None:
    """Print the completion script of a SHELL.

    It completes commands, options, and the datasets, subjects, versions and runs of the project that one is in. Bash must be 4.4 or
    newer.
    """
    from click.shell_completion import get_completion_class

    from instar.cli.main import instar
    from instar.cli.output import show_text

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(instar, {}, "instar", VARIABLE)
    show_text("script", script.source_template % script.source_vars(), as_json, shell=shell)
