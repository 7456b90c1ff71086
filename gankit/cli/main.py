"""The command `gankit`. A command's module is imported when it is run, or when all are listed."""

from __future__ import annotations

import errno
import logging
import os
import pkgutil
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gankit import __version__
from gankit.cli import extensions
from gankit.cli.common import MARKUP, tell_whole
from gankit.core import plugins
from gankit.core.errors import LONGEST, GankitError, RecipeError, printable, short
from gankit.core.files import reason

USAGE_ERROR = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Of click, or of Typer's copy of it: they print themselves."""
COMMANDS: dict[str, str] = {
    "build": "gankit.cli.build:build",
    "train": "gankit.cli.train:train",
    "ablate": "gankit.cli.ablate:ablate",
    "compare": "gankit.cli.compare:compare",
    "translate": "gankit.cli.translate:translate",
    "sample": "gankit.cli.sample:sample",
    "evaluate": "gankit.cli.evaluate:evaluate",
    "report": "gankit.cli.report:report",
    "runs": "gankit.cli.runs:runs",
    "data": "gankit.cli.data:app",
    "import": "gankit.cli.import_:import_",
    "export": "gankit.cli.export:export",
    "push": "gankit.cli.push:push",
    "serve": "gankit.cli.serve:serve",
    "demo": "gankit.cli.demo:demo",
    "list": "gankit.cli.list:list_",
    "show": "gankit.cli.show:show",
    "recipes": "gankit.cli.recipes:app",
    "schema": "gankit.cli.schema:schema",
    "weights": "gankit.cli.weights:app",
    "plugins": "gankit.cli.plugins:plugins",
    "doctor": "gankit.cli.doctor:doctor",
    "bench": "gankit.cli.bench:bench",
}
"""Name -> "module:function", or a Typer app for a command with subcommands. No such module imports torch."""


class Commands(TyperGroup):
    """gankit's own commands from the table, then those of plugins; errors become a message and an exit code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(COMMANDS)  # pyright: ignore[reportAttributeAccessIssue]  # None: not imported yet
        self._extended = False

    def list_commands(self, ctx: typer.Context) -> list[str]:
        self._extend()
        return list(self.commands)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            self._extend()
        if cmd_name in COMMANDS and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _command(cmd_name, pkgutil.resolve_name(COMMANDS[cmd_name]))
        return self.commands.get(cmd_name)

    def _extend(self) -> None:
        """Add the commands of plugins; none can take a name of ours: it becomes `plugin/name`."""
        if self._extended:
            return
        self._extended = True
        for name, command in extensions.commands(taken=COMMANDS).items():
            self.commands[name] = command

    def invoke(self, ctx: typer.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except KeyboardInterrupt as e:
            print(": ".join(filter(None, ("interrupted", str(e)))), file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except GankitError as e:
            _report(e, ctx.params.get("trace"))
            raise typer.Exit(e.exit_code) from None
        except Exception as e:
            if isinstance(e, typer.Exit | typer.Abort | USAGE_ERROR):
                raise
            _report(e, ctx.params.get("trace"))
            of_a_name = isinstance(e, OSError) and e.errno == errno.ENAMETOOLONG  # whoever asked for it first
            raise typer.Exit(2 if of_a_name else 1) from None


def _command(name: str, target: Any) -> Any:
    if isinstance(target, typer.Typer):
        command = typer.main.get_command(target)
    else:
        app = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
        app.command()(target)
        command = typer.main.get_command(app)
    command.name = name
    tell_whole(command)
    return command


def _report(error: Exception, trace: bool | None) -> None:
    if trace:
        traceback.print_exception(error)
    elif isinstance(error, RecipeError):
        print(error, file=sys.stderr)
        if len(error.problems) > 1:
            print(f"{len(error.problems)} mistakes", file=sys.stderr)
    elif isinstance(error, GankitError):
        print(f"gankit: {printable(str(error), lines=True)}", file=sys.stderr)
    elif isinstance(error, OSError) and error.filename is not None:
        print(f"gankit: {printable(str(error.filename))}: {reason(error)}", file=sys.stderr)
    else:
        text = printable(short(str(error), LONGEST), lines=True)
        print(f"gankit: {type(error).__name__}: {text} (`gankit --trace ...` shows where)", file=sys.stderr)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gankit {__version__}")
        raise typer.Exit()


def _no_plugin(names: list[str] | None) -> None:
    for name in names or []:
        plugins.disable(name)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show the traceback of an error.")] = False,
    no_plugin: Annotated[
        list[str] | None,
        typer.Option(is_eager=True, callback=_no_plugin, metavar="NAME", help="Do not load this plugin. Repeatable."),
    ] = None,
) -> None:
    """Check, train, measure and use image-to-image GANs that a recipe describes."""


class _Printable(logging.Formatter):
    """Names of files and words of recipes are others' text."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), lines=True)


def main() -> None:
    """The entry point."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    app(prog_name="gankit")


if __name__ == "__main__":
    main()
