"""Our benchmark and its peers in one run: prints both sides and the ratios (peer's time over ours) as a table.

Use: python3 benches/compare.py [--rounds 3] [--environment DIR]

Sets up PyTorch, torchvision and ONNX Runtime in a virtual environment (by default under `target/`; some
gigabytes, once), then runs peers and ours in turn, `--rounds` times, and takes medians. Run it on a quiet machine:
a build next to it changes times by factors.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["torch==2.11.0", "torchvision", "numpy", "onnx", "onnxruntime"]


def lines(command):
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if result.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--environment", type=Path, default=ROOT / "target" / "peers")
    arguments = parser.parse_args()
    python = arguments.environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", arguments.environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    bench = ["cargo", "bench", "--workspace", "--bench", "throughput"]
    subprocess.run([*bench, "--no-run"], cwd=ROOT, check=True)
    times = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
            for record in lines([python, ROOT / "benches" / "peers.py", folder]):
                times[record["work"]][record["peer"]].append(record["milliseconds"])
            for record in lines([*bench, "--", "--json"]):
                times[record["work"]]["ours"].append(record["milliseconds"])
    print("| work | ours, ms | peer, ms | peer / ours |\n|---|---|---|---|")
    for work, sides in times.items():
        ours = statistics.median(sides.pop("ours"))
        for peer, values in sides.items():
            value = statistics.median(values)
            print(f"| {work} | {ours:.2f} | {peer} {value:.2f} | {value / ours:.2f} |")
        if not sides:
            print(f"| {work} | {ours:.2f} | | |")


main()
