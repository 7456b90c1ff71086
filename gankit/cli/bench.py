"""`gankit bench`"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.cli.common import Json, print_json
from gankit.core.errors import GankitError

SUITE = Path(__file__).resolve().parents[2] / "benchmarks"
Case = dict[str, Any]


class BenchError(GankitError):
    """The suite is not here, or a stored result cannot be read."""

    exit_code = 2


def bench(
    group: Annotated[
        str | None,
        typer.Argument(metavar="PART", help="norm, block, net, loss, step, data or cli; all of them if not given."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show the figures beside those of a stored result.")
    ] = None,
    fall: Annotated[
        float, typer.Option(min=0, max=1, help="How much of a ratio may be lost against --compare, as a share.")
    ] = 0.25,
    least: Annotated[
        float | None,
        typer.Option(metavar="RATIO", help="Fail if no round is at least this many times as fast as the reference."),
    ] = None,
    smallest: Annotated[
        bool,
        typer.Option("--smallest", help="Use the smallest sizes and few rounds, to see that everything still runs."),
    ] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Store the figures in the checkout, under the name of this machine.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure the speed of kernels, networks, losses and steps, beside reference forms and the limits of the machine.

    Needs a checkout of gankit and its `dev` extra. `ratio` is the time of the reference form divided by ours; the two
    are measured in turns. The exit code is 1 when a case fails or a ratio has fallen (--compare, --least), and 2 when
    there is nothing to run.
    """
    files = suite(group)
    before = None if compare is None else read(compare)
    figures, passed = run(files, smallest)
    if as_json:
        print_json(figures)
    else:
        show(figures, before)
    if save:
        keep(figures)
    fallen = shortfalls(figures, before, fall, least)
    for line in fallen:
        print(line, file=sys.stderr)
    if fallen or not passed:
        raise typer.Exit(1)


def suite(group: str | None) -> list[Path]:
    """The files of a group, or of all."""
    files = {path.stem.removeprefix("test_"): path for path in sorted(SUITE.glob("test_*.py"))}
    if not (SUITE / "measure.py").is_file() or not files:
        raise BenchError(
            "the benchmarks are not part of the installed package: clone the repository, install it with "
            "`pip install -e '.[dev]'` and run `gankit bench` from there"
        )
    if find_spec("pytest") is None or find_spec("pytest_benchmark") is None:
        raise BenchError("the benchmarks need pytest and pytest-benchmark: pip install -e '.[dev]'")
    if group is None:
        return list(files.values())
    if group not in files:
        raise BenchError(f"no group of benchmarks is called '{group}'; there are {', '.join(files)}")
    return [files[group]]


def run(files: list[Path], smallest: bool) -> tuple[dict[str, Any], bool]:
    """The figures, `{machine, conditions, cases: {name: figures}}`, and whether every case passed."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out.json")
        command = [sys.executable, "-m", "pytest", *map(str, files), "-q", "-rs", "-p", "no:cacheprovider"]
        command += [
            "--benchmark-columns=median,rounds",
            f"--benchmark-json={out}",
            *(["--smallest"] if smallest else []),
        ]
        done = subprocess.run(command, cwd=SUITE.parent, stdout=sys.stderr)
        if done.returncode == 2:  # pytest was interrupted
            raise KeyboardInterrupt
        text = out.read_text(encoding="utf-8") if out.is_file() else ""
    measured = json.loads(text)["benchmarks"] if text else []
    return collect(measured), done.returncode == 0


def collect(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """pytest-benchmark's list of cases as ours; the figures are those of `benchmarks/conftest.py`."""
    shared = ("machine", "device", "threads", "torch", "python")
    first = next((case["extra_info"] for case in measured if "machine" in case["extra_info"]), {})
    cases = {
        name_of(case): {key: value for key, value in case["extra_info"].items() if key not in shared}
        for case in measured
    }
    return {key: first[key] for key in shared if key in first} | {"cases": cases}


def name_of(case: dict[str, Any]) -> str:
    """benchmarks/test_norm.py::test_norm[adalin-fwd] -> norm/adalin-fwd."""
    file, _, function = case["fullname"].partition("::")
    group = Path(file).stem.removeprefix("test_")
    name, _, parameters = function.removeprefix("test_").partition("[")
    words = [word for word in (name, parameters.removesuffix("]")) if word and word != group]
    return f"{group}/{'-'.join(words)}"


def read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {"machine": stored["machine"], "cases": dict(stored["cases"])}
    except OSError as e:
        reason = (e.strerror or str(e)).lower()
        raise BenchError(f"{path} is not a stored result of `gankit bench --save`: {reason}") from e
    except (ValueError, KeyError, TypeError) as e:
        raise BenchError(f"{path} is not a stored result of `gankit bench --save`: {e}") from e


def show(figures: dict[str, Any], before: dict[str, Any] | None) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("case", box=None, title=figures.get("machine"), title_justify="left")
    headings = ["ms", "floor ms", "% of floor", "ratio", *([] if before is None else ["ratio then", "ms then / now"])]
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, case in figures["cases"].items():
        cells = [number(case.get(key)) for key in ("ms", "floor_ms", "percent_of_floor", "ratio_to_reference")]
        if before is not None:
            then = before["cases"].get(name, {})
            cells += [number(then.get("ratio_to_reference")), number(then["ms"] / case["ms"] if "ms" in then else None)]
        table.add_row(name, *cells)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    if before is not None and before["machine"] != figures.get("machine"):
        print(
            f"the stored result comes from another machine, {before['machine']}: compare the ratios only",
            file=sys.stderr,
        )


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def shortfalls(figures: dict[str, Any], before: dict[str, Any] | None, fall: float, least: float | None) -> list[str]:
    """A line for each case whose ratio to the reference form is too small."""
    lines = []
    for name, case in figures["cases"].items():
        if (ratio := case.get("ratio_to_reference")) is None:
            continue
        then = None if before is None else before["cases"].get(name, {}).get("ratio_to_reference")
        if then is not None and ratio < (1 - fall) * then:
            lines.append(f"{name}: {ratio:.2f} times as fast as the reference form, it was {then:.2f}")
        best = case.get("ratio_max", ratio)  # a slow round may be the machine's; all of them are ours
        if least is not None and best < least:
            lines.append(f"{name}: {best:.2f} times as fast as the reference form at best, less than {least:g}")
    return lines


def keep(figures: dict[str, Any]) -> None:
    """Into benchmarks/results, beside the cases of other groups; then the table of benchmarks/README.md."""
    if not figures["cases"]:
        return
    path = SUITE / "results" / f"{figures['machine']}.json"
    old = read(path)["cases"] if path.is_file() else {}
    cases = dict(sorted((old | figures["cases"]).items()))
    path.write_text(json.dumps(figures | {"cases": cases}, indent=1) + "\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "benchmarks.table"], cwd=SUITE.parent, check=True)
