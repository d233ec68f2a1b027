"""`instar`: the group of all commands. Each command is a file of its own, imported only when it is asked for."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from instar.cli.ending import Ending
from instar.cli.exits import FAULT, exit_codes
from instar.cli.interruption import CODES, WORDS, Interruption
from instar.cli.leaving import Leaving
from instar.formats.errors import InstarError

COMMANDS = (
    "init", "register", "revision", "check", "show", "diff",
    "status", "current", "plan", "upgrade", "downgrade", "rollback", "verify", "audit", "runs", "report", "gc", "history", "stamp",
    "read", "view", "convert", "completion",
)  # fmt: skip
READING = (
    "check", "show", "diff", "status", "current", "plan", "verify", "audit", "runs", "report", "history", "read", "view",
    "completion",
)  # fmt: skip
"""The commands that change no dataset, and nothing that is kept of one."""
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
"""What a disk or a system says no with: no fault of ours, wherever it comes up."""
COLLECTED = (50_000, 20, 20)
"""How seldom Python looks for garbage in cycles: start-up makes many thousand objects that stay, and little garbage."""


class Commands(click.Group):
    """A group that imports a command's module when the command is looked up."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"instar.cli.{cmd_name}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from instar.formats.errors import suggestion

            raise click.UsageError(f"there is no command {args[0]!r}. {suggestion(args[0], COMMANDS)}", ctx) from error


def said_version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    """`--version`: Instar's, and what has to do without its compiled part."""
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    from instar.formats.compiled import missing_parts
    from instar.transforms.proof import avro_columns, json_edits

    parts = {"avro": avro_columns.compiled_part(), "json": json_edits.compiled_part()}
    missing = ", ".join((*missing_parts(), *(f"proofs of {format}" for format, part in parts.items() if part is None)))
    click.echo(f"instar, version {version('instar')}" + (f" (without the compiled part for {missing})" if missing else ""))
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=exit_codes())
@click.option(
    "-C", "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Run as if started in DIR."
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=said_version, help="Show the version and exit."
)
@click.pass_context
def instar(ctx: click.Context, folder: Path | None) -> None:
    """Schema evolution for data files: what Alembic is for databases, for directories of Parquet, Avro and JSON.

    \b
    The day of someone who changes a schema:
      instar init --from data/flights          adopt what is there as version 1
      instar revision flights -m "metric"      draft the next migration, then edit it
      instar register flights                  freeze the version that the script leads to
      instar check                             prove every script, see what a way back would lose
      instar plan flights                      what would happen; nothing is written
      instar upgrade flights                   stage, prove, publish
      instar rollback flights                  exactly as it was
    """
    if folder is not None:
        ctx.with_resource(contextlib.chdir(folder))  # so that every path on the command line is meant from there
    if isinstance(ctx.obj, Ending):
        ctx.obj.keep(ctx, reading=ctx.invoked_subcommand in READING)
    ctx.obj = Path()


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The console script: run, and turn every failure into its message and exit code. With `args` it is called by a program whose
    process goes on, and which is left to collect its garbage as it likes."""
    arguments = list(sys.argv[1:] if args is None else args)
    leaving = Leaving() if args is None else None
    if args is None:
        gc.set_threshold(*COLLECTED)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name or an arrow that cannot be shown is no fault
    interruption = Interruption()
    interruption.listen()
    code = run(arguments, interruption)
    interruption.over()
    if leaving is not None:
        leaving.code = code
    sys.exit(code)


def run(arguments: list[str], interruption: Interruption | None = None) -> int:
    """Run one command line; the exit code, one of `exits.EXITS`."""
    as_json, ending = "--json" in arguments, Ending(interruption)
    spare_address_space()
    spare_threads()
    try:
        left = instar.main(args=arguments, prog_name="instar", standalone_mode=False, obj=ending)
    except BaseException as error:
        arrived = interruption.signal if interruption else None
        if arrived is None and isinstance(error, (KeyboardInterrupt, click.Abort)):
            arrived = signal.SIGINT
        if arrived is not None:
            known = stopped(arrived, error, reading=ending.interruption.reading)
            ending.ended(CODES[arrived], known)
            return interrupted(known, CODES[arrived], as_json=as_json, silent=ending.log_on_stderr)
        if isinstance(error, BrokenPipeError):
            ending.ended(0)
            return unheard()
        verbose = ("-v" in arguments or "--verbose" in arguments) and not ending.log_on_stderr
        known, code = understood(error, verbose=verbose)
        ending.ended(code, error if code == FAULT and isinstance(error, Exception) else known)
        return failed(known, code, as_json=as_json, silent=ending.log_on_stderr)
    code = left if isinstance(left, int) else 0  # click answers a command's `Exit(code)` with its code
    ending.ended(code)
    try:
        sys.stderr.flush()
    except (OSError, ValueError):  # whoever read the log has gone
        unheard()
    return code


def spare_address_space() -> None:
    """Where address space is limited (`ulimit -v`), Arrow is told before it is loaded to do without its own allocator, which
    reserves a gigabyte of it at once. Workers inherit this."""
    try:
        import resource
    except ImportError:  # Windows has neither the module nor such a limit
        return
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def spare_threads() -> None:
    """numpy, which Arrow loads, is told before that to start no threads for linear algebra: nobody here asks for any, and they keep
    the other cores busy for 50 ms while they wait. Workers inherit this."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def unheard() -> int:
    """The reader (head, less) left while the answer was written: what the command does is done by then, so it is no failure."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a stream without a descriptor, in tests
            os.dup2(devnull, stream.fileno())  # or Python would complain when it flushes them at its end
    return 0


def understood(error: BaseException, *, verbose: bool) -> tuple[InstarError, int]:
    """The failure as one of ours, and its exit code; with `verbose` a fault's traceback is shown on stderr."""
    match error:
        case InstarError():
            return error, error.exit_code
        case click.UsageError():
            hint = f"Try 'instar {error.ctx.info_name} --help'." if error.ctx and error.ctx.parent else "Try 'instar --help'."
            return InstarError(error.format_message(), hint=hint), 2
        case click.ClickException():
            return InstarError(error.format_message()), error.exit_code
        case OSError() if error.errno in REFUSALS:
            place = f"{error.filename}: " if error.filename else ""
            hint = "Correct the cause, then repeat the command. Nothing is half-done: it settles what was left."
            return InstarError(f"{place}{error.strerror}", hint=hint), 1
        case MemoryError():
            hint = "Give it more, or less to do at once: --workers 1, a smaller --memory, files of smaller row groups."
            return InstarError(f"there is not enough memory: {error or 'an allocation failed'}", hint=hint), 1
        case Exception():
            if verbose:
                click.echo("".join(traceback.format_exception(error)), err=True)
            again = "" if verbose else "run again with -v for the traceback and "
            hint = f"This is a fault of Instar's; {again}report it, please."
            return InstarError(f"{type(error).__name__}: {error}", hint=hint), FAULT
        case _:
            raise error


def stopped(by: signal.Signals, error: BaseException, *, reading: bool) -> InstarError:
    """That a signal ended the command, and what it leaves, which the run has noted on the error; nothing, where it only reads."""
    notes = " ".join(note for note in getattr(error, "__notes__", ()) if "\n" not in note)  # the others are tracebacks
    left = "" if reading else "Nothing is half-done: the same command starts again and settles what was left."
    return InstarError(WORDS[by], hint=notes or left)


def interrupted(known: InstarError, code: int, *, as_json: bool, silent: bool = False) -> int:
    """Tell that a signal ended the command."""
    try:
        if sys.stderr.isatty() and not silent:
            click.echo(err=True)  # the line on which the terminal showed ^C
        if not (known.hint or as_json or silent):  # nothing went wrong, and nothing is left
            click.echo(known.message[0].upper() + known.message[1:], err=True)
            return code
        return failed(known, code, as_json=as_json, silent=silent)
    except OSError:  # the terminal was closed
        unheard()
        return code


def failed(error: InstarError, code: int, *, as_json: bool, silent: bool = False) -> int:
    """Tell of a failure: one object on stdout with --json, else on stderr; nothing there where it is `silent`, a log's own."""
    from instar.cli.output import echo_json, error_json, show_error

    if as_json:
        echo_json({"error": error_json(error, code)})
    elif not silent:
        show_error(error)
    return code
