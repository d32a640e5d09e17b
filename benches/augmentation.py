"""Does augmentation with generated faces help? The compact classifier without and with each synthetic set, several
seeds, equal steps; PrivateTest (single crop) of each run's best PublicTest epoch: mean, deviation, recall by class.

Use: python3 benches/augmentation.py target/release/duchenne fer2013.safetensors RUNS [NAME=faces.safetensors ...]
Runs go on where they were; settings: EPOCHS, STEPS (per epoch), SEEDS in the environment.
"""

import json
import os
import statistics
import subprocess
import sys

program, data, runs = sys.argv[1:4]
sets = [("none", None)] + [tuple(argument.split("=", 1)) for argument in sys.argv[4:]]
epochs, steps, seeds = (int(os.environ.get(name, default)) for name, default in
                        [("EPOCHS", 5), ("STEPS", 224), ("SEEDS", 3)])
results = {}
for seed in range(seeds):
    for name, faces in sets:
        run = os.path.join(runs, f"{name}-{seed}")
        command = [program, "train", "--recipe", "compact", "--data", data, "--run", run, "--seed", str(seed),
                   "--epochs", str(epochs), "--set", f"training.steps_per_epoch={steps}",
                   "--set", "training.weight_average=0.99"]
        if faces:
            command += ["--synthetic", faces, "--neutral", "omit"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        model = os.path.join(run, "best.safetensors")
        report = subprocess.run([program, "eval", model, "--data", data, "--split", "test", "--json"],
                                check=True, capture_output=True, text=True).stdout
        overall = json.loads(report)["results"][0]["report"]["overall"]
        recalls = {entry["class"]: entry["recall"] for entry in overall["per_class"]}
        results.setdefault(name, []).append((overall["accuracy"]["value"], recalls))
        print(f"{name} seed {seed}: {overall['accuracy']['value']:.2%}", file=sys.stderr, flush=True)


def cell(values):
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{100 * statistics.mean(values):.2f} ± {100 * deviation:.2f}"


classes = list(results["none"][0][1])
print(f"PrivateTest, single crop; {seeds} seeds, {epochs * steps} steps of 128 each; mean ± standard deviation in percent\n")
print("| generated faces | accuracy | " + " | ".join(f"recall {name}" for name in classes) + " |")
print("|---" * (2 + len(classes)) + "|")
for name, _ in sets:
    scores = results[name]
    row = [cell([score for score, _ in scores])] + [cell([recalls[c] for _, recalls in scores]) for c in classes]
    print(f"| {name} | " + " | ".join(row) + " |")
