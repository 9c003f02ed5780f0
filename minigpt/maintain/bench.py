"""Measures speed beside that of other programs and prints a table (--json: as objects)."""

import json
import subprocess
import sys

from minigpt.setup.common import require_repository
from minigpt.store.files import PROGRAM, ROOT, Problem

ENVIRONMENT = "test"
FOLDER = ROOT / "tests" / "benchmarks"
COMMON = "side_by_side"  # the file that is no benchmark


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status.

    Names of benchmarks choose some, all run without; the options are those of every benchmark.
    """
    require_repository()
    sys.path.insert(0, str(FOLDER))
    import side_by_side

    known = sorted(p.stem for p in FOLDER.glob("[!_]*.py") if p.stem not in (COMMON, "conftest"))
    chosen = [a for a in argv if a in known] or known
    options = [a for a in argv if a not in known]
    program = f"{PROGRAM} bench [{' | '.join(known)}]"
    args = side_by_side.arguments(__doc__, options, program)
    rows, failed = [], []
    for name in chosen:
        command = [sys.executable, str(FOLDER / f"{name}.py"), *options]
        if args.json:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
            rows += json.loads(done.stdout) if done.returncode == 0 else []
        else:
            print(f"\n{name}", flush=True)
            done = subprocess.run(command)
        failed += [name] * (done.returncode != 0)
    if args.json:
        print(json.dumps(rows, indent=1))
    if failed:
        raise Problem(f"These did not run to their end: {', '.join(failed)}. See above; then "
                      f"`{PROGRAM} bench {failed[0]}` tries one again.")  # fmt: skip
    return 0
