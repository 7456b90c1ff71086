"""`python -m tests.golden DIR [--family PREFIX] [--json]`: hold gankit against results of the reference code."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.golden.harness import matches
from tests.golden.verdict import Verdict, read, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("directory", type=Path, help="a folder of .safetensors cases")
    parser.add_argument("--family", help="only this family: `agit` takes `agit.*`")
    parser.add_argument("--json", action="store_true", help="print a list of {case, family, max_error, passed, reason}")
    args = parser.parse_args()
    if not args.directory.is_dir():
        parser.error(f"{args.directory} is not a folder")
    paths = [p for p in sorted(args.directory.glob("*.safetensors")) if matches(family_of(p), args.family)]
    if not paths:
        parser.error(f"no case{f' of family {args.family}' if args.family else ''} in {args.directory}")
    verdicts = []
    for path in paths:
        verdicts.append(run(path))
        if not args.json:
            print(line(verdicts[-1]), flush=True)
    if args.json:
        print(json.dumps([v.as_dict() for v in verdicts], indent=1))
    failed = sum(not v.passed for v in verdicts)
    print(f"{len(verdicts) - failed} of {len(verdicts)} cases pass", file=sys.stderr)
    return 1 if failed else 0


def family_of(path: Path) -> str:
    try:
        return read(path).family
    except Exception:
        return ""  # not readable: only a run without --family meets it, and reports it


def line(verdict: Verdict) -> str:
    error = "-" if verdict.max_error is None else f"{verdict.max_error:.1e}"
    return f"{'pass' if verdict.passed else 'FAIL'}  {verdict.case:50s} {error:>8s}  {verdict.reason}"


if __name__ == "__main__":
    sys.exit(main())
