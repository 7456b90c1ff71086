"""Write the tables of README.md from results/*.json: `python -m benchmarks.table`, as `gankit bench --save` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BEGIN, END = "<!-- generated: results -->", "<!-- end -->"
COLUMNS = {"ms": "ms", "floor_ms": "floor ms", "percent_of_floor": "% of floor", "ratio_to_reference": "ratio"}


def rendered() -> str:
    return "\n\n".join(of_machine(json.loads(path.read_text())) for path in sorted(HERE.glob("results/*.json")))


def of_machine(result: dict[str, Any]) -> str:
    about = f"{result['device']}, {result['threads']} thread(s), torch {result['torch']}, Python {result['python']}"
    lines = [f"### {result['machine']}", "", about, "", f"| case | {' | '.join(COLUMNS.values())} |"]
    lines.append(f"| --- |{' ---: |' * len(COLUMNS)}")
    for name, case in result["cases"].items():
        cells = [f"{case[key]:.3g}" if key in case else "-" for key in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def written(page: str, tables: str) -> str:
    """The page with the tables between the markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


if __name__ == "__main__":
    page = HERE / "README.md"
    page.write_text(written(page.read_text(), rendered()))
